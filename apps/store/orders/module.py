"""OrderDesk: makes orders out of carts, and sees them through."""

from __future__ import annotations

from datetime import timedelta

from apps.store.carts.contract import Cart, Carts, EmptyCart
from apps.store.catalog.contract import Catalog, Product
from apps.store.inventory.contract import Inventory, Line
from apps.store.moments import read_cursor, write_cursor
from apps.store.money import Money
from apps.store.orders.book import Book
from apps.store.orders.contract import (
    InvalidTransition,
    Limit,
    Order,
    OrderBusy,
    OrderNotFound,
    OrderPage,
    Orders,
    PriceChange,
    PriceChanged,
    Quote,
    Reason,
    Status,
    Takings,
)
from apps.store.orders.events import (
    Address,
    CheckoutStarted,
    Country,
    CustomerAwaited,
    CustomerSentAgain,
    OrderCancelled,
    OrderLetGo,
    OrderLine,
    OrderPaid,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
    OrderTaken,
    Text,
    Totals,
)
from apps.store.orders.record import OrderEvent, Record, evolve
from apps.store.orders.settings import OrderSettings
from apps.store.orders.tables import BESIDE, BOOK, TAKINGS, TAKINGS_BESIDE
from apps.store.orders.takings import TakingsByDay
from apps.store.orders.totals import goods_of, lines_of, totals_of
from apps.store.payments.contract import Payments
from apps.store.shipping.contract import Shipping
from apps.store.users.contract import Email
from craton import Call, Clock, Database, Saga, Stream, Streams, Value, command, query


class Placed(Value):
    """An order in hand, with what its saga needs to go on."""

    order: Order
    token: str
    cart_version: int


OrderStream = Stream[Record, OrderEvent]


class OrderDesk(Orders):
    """Orders as their events made them. While a saga has an order in hand nobody else may change it."""

    def __init__(
        self, db: Database, streams: Streams, saga: Saga, call: Call, clock: Clock, catalog: Catalog, carts: Carts,
        inventory: Inventory, payments: Payments, shipping: Shipping, settings: OrderSettings,
    ) -> None:
        self.orders, self.book = streams.of(evolve), Book(db, BOOK)
        streams.project("book", self.book, beside=Book(db, BESIDE), inline=True)
        self.by_day = TakingsByDay(db, TAKINGS)
        streams.project("takings", self.by_day, beside=TakingsByDay(db, TAKINGS_BESIDE))
        self.saga, self.call, self.clock = saga, call, clock
        self.catalog, self.carts, self.inventory, self.payments = catalog, carts, inventory, payments
        self.shipping, self.settings = shipping, settings

    async def quote(self, country: Country = "US") -> Quote:
        cart = await self.carts.mine()
        if not cart.lines:
            raise EmptyCart
        lines = lines_of(cart)
        return Quote(cart.id, cart.version, lines, await self.totals(lines, cart.currency, country))

    async def totals(self, lines: tuple[OrderLine, ...], currency: str, country: str) -> Totals:
        """What an order costs that goes to a country."""
        goods = goods_of(lines, currency)
        return totals_of(goods, (await self.shipping.quote(country, goods)).price, self.settings)

    async def checkout(self, cart: str, version: int, payment: Text, email: Email, address: Address) -> Order:
        saga, order = self.saga, self.saga.id("order")
        bought = await saga.step(self.carts.freeze, cart, version, order).undo(self.carts.reopen, cart, order)
        placed = await saga.step(self.place, order, bought, payment, email, address).undo(self.drop, order)
        return await self.sell(placed)

    async def resume(self, order: str) -> Order:
        saga = self.saga
        placed = await saga.step(self.take_up, order).undo(self.let_go, order)
        cart, version = placed.order.cart, placed.cart_version
        # the order is dropped only with all that it has: its payment and its cart are in hand before anything can fail
        await saga.step(self.payments.reconcile, order).undo(self.payments.void, order)
        await saga.step(self.carts.freeze, cart, version, order).undo(self.carts.reopen, cart, order)
        await saga.step(self.order, order).undo(self.drop, order)
        return await self.sell(placed)

    async def sell(self, placed: Placed) -> Order:
        """What checkout and resume have in common: each step is done once for one order, however often it is asked for.

        Stock is made the order's own before money is taken, so that nothing can be wrong after the capture.
        """
        saga, order, total = self.saga, placed.order.id, placed.order.totals.total
        lines = tuple(Line(line.sku, line.quantity) for line in placed.order.lines)
        await saga.step(self.inventory.reserve, order, lines, self.settings.hold).undo(self.inventory.release, order)
        payment = await saga.step(self.payments.authorize, order, total, placed.token).undo(self.payments.void, order)
        if payment.status == "requires_action":
            return await saga.step(self.wait_for_customer, order, payment.action_url or "")
        await saga.step(self.inventory.secure, order)
        await saga.step(self.payments.capture, order)
        await saga.step(self.inventory.commit, order)
        paid = await saga.step(self.confirm, order)
        await saga.step(self.carts.close, paid.cart, order)
        return paid

    async def order(self, order: str) -> Order:
        _, found = await self.visible(order)
        return found.order

    async def mine(self, limit: Limit = 20, cursor: str | None = None) -> OrderPage:
        return await self.page(self.call.caller.subject, None, limit, cursor)

    async def all_orders(
        self, status: Status | None = None, limit: Limit = 50, cursor: str | None = None,
    ) -> OrderPage:
        return await self.page(None, status, limit, cursor)

    async def takings(self, limit: Limit = 30) -> tuple[Takings, ...]:
        return await self.by_day.days(limit)

    async def cancel(self, order: str, reason: Reason = "") -> Order:
        return await self.give_up(order, reason)

    async def give_up(self, order: str, reason: str) -> Order:
        """Give back stock and money. Which of both there is depends on how far the order has come."""
        saga = self.saga
        was = await saga.step(self.take_in_hand, order, ("stock_confirmed", "paid")).undo(self.let_go, order)
        if was.status == "paid":
            refund = await saga.step(self.payments.refund, order, f"{order}-cancelled")
            await saga.step(self.inventory.take_back, order)
            return await saga.step(self.end, order, refund.amount, reason)
        await saga.step(self.payments.void, order)
        await saga.step(self.inventory.release, order)
        await saga.step(self.carts.reopen, was.cart, order)
        return await saga.step(self.end, order, Money(0, was.refunded.currency), reason)

    async def ship(self, order: str, tracking: str = "") -> Order:
        stream, found = await self.visible(order)
        check_idle(found, ("paid",))
        return (await stream.append(OrderShipped(order, tracking, found.order.email, self.clock.now()))).order

    async def refund(self, order: str, amount: Money, reason: Reason = "") -> Order:
        saga, refund = self.saga, self.saga.id("refund")
        await saga.step(self.take_in_hand, order, ("paid", "shipped")).undo(self.let_go, order)
        done = await saga.step(self.payments.refund, order, refund, amount)
        return await saga.step(self.note_refund, order, done.amount, reason)

    async def expire(self, limit: Limit = 50) -> int:
        cancelled = 0
        for order in await self.saga.step(self.overdue, limit):
            try:
                await self.give_up(order, "its customer never came back from the bank")
                cancelled += 1
            except (OrderBusy, InvalidTransition):
                continue  # it was resumed or cancelled meanwhile
        return cancelled

    @query
    async def overdue(self, limit: int) -> tuple[str, ...]:
        """Orders whose customers never came back from their banks."""
        return await self.book.overdue(self.clock.now().timestamp(), limit=limit)

    @command(raises=PriceChanged)
    async def place(self, order: str, cart: Cart, payment: str, email: Email, address: Address) -> Placed:
        """Make an order of a cart, at the prices the customer was shown, if they are still the prices."""
        products = await self.catalog.lookup(tuple(line.sku for line in cart.lines))
        if changes := changed_prices(cart, {product.sku: product for product in products}):
            raise PriceChanged(changes)
        now, owner, lines = self.clock.now(), self.call.caller.subject, lines_of(cart)
        totals = await self.totals(lines, cart.currency, address.country)
        placed = await self.orders.begin(order).append(
            CheckoutStarted(
                order, owner, cart.id, cart.version, email, address, lines, totals, payment,
                at=now, held_until=now + timedelta(seconds=self.settings.hold),
            ),
            OrderPlaced(order, owner, totals.total, lines),
        )
        return Placed(placed.order, payment, cart.version)

    @command(raises=(OrderNotFound, InvalidTransition, OrderBusy))
    async def take_up(self, order: str) -> Placed:
        """Go on with an order that waited for its customer."""
        stream, found = await self.visible(order)
        if found.order.owner != self.call.caller.subject:  # whoever goes on must be able to freeze the cart
            raise OrderNotFound(order)
        check_idle(found, ("stock_confirmed",))
        await stream.append(OrderTaken(order, by="checkout"))
        return Placed(found.order, found.token, found.cart_version)

    @command
    async def wait_for_customer(self, order: str, action_url: str) -> Order:
        """Leave an order until its customer has been to the bank."""
        stream, found = await self.known(order)
        if found.order.status == "stock_confirmed":
            return (await stream.append(CustomerSentAgain(order, action_url))).order
        return (await stream.append(CustomerAwaited(order, action_url, self.clock.now()))).order

    @command
    async def confirm(self, order: str) -> Order:
        """The order is paid."""
        stream, found = await self.known(order)
        was, total = found.order, found.order.totals.total
        paid = OrderPaid(order, was.owner, was.email, was.lines, total, was.address, self.clock.now())
        return (await stream.append(paid)).order

    @command
    async def drop(self, order: str) -> None:
        """The checkout failed."""
        await self.end(order, Money(0), "the checkout failed")

    @command(raises=(OrderNotFound, InvalidTransition, OrderBusy))
    async def take_in_hand(self, order: str, statuses: tuple[Status, ...]) -> Order:
        """Keep others away from an order that has one of these statuses."""
        stream, found = await self.visible(order)
        check_idle(found, statuses)
        return (await stream.append(OrderTaken(order, by="cancel or refund"))).order

    @command
    async def let_go(self, order: str) -> None:
        """Nobody has the order in hand any more."""
        stream, _ = await self.known(order)
        await stream.append(OrderLetGo(order))

    @command
    async def end(self, order: str, refunded: Money, reason: str) -> Order:
        """The order is cancelled, if that has not been done."""
        stream, found = await self.known(order)
        if found.order.status == "cancelled":
            return found.order
        given = Money(refunded.amount, found.order.refunded.currency)
        cancelled = OrderCancelled(order, reason, found.order.email, given, self.clock.now())
        return (await stream.append(cancelled)).order

    @command
    async def note_refund(self, order: str, amount: Money, reason: str) -> Order:
        """A part of the money was given back."""
        stream, found = await self.known(order)
        refunded = OrderRefunded(order, amount, found.order.email, reason, self.clock.now())
        return (await stream.append(refunded)).order

    async def visible(self, order: str) -> tuple[OrderStream, Record]:
        """An order that the caller may know of."""
        stream, caller = await self.orders.load(order), self.call.caller
        if (found := stream.state) is None or (found.order.owner != caller.subject and "admin" not in caller.roles):
            raise OrderNotFound(order)
        return stream, found

    async def known(self, order: str) -> tuple[OrderStream, Record]:
        """An order that a saga has in hand."""
        stream = await self.orders.load(order)
        assert stream.state is not None, f"{order} is in a saga's hand, and is not there"
        return stream, stream.state

    async def page(self, owner: str | None, status: Status | None, limit: int, cursor: str | None) -> OrderPage:
        """Some orders, and where the next ones begin."""
        before = read_cursor(cursor) if cursor else None
        found = await self.book.latest(owner=owner, status=status, before=before, limit=limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        return OrderPage(found[:limit], write_cursor(last.placed, last.id) if last else None)


def check_idle(record: Record, statuses: tuple[Status, ...]) -> None:
    """Refuse an order that somebody has in hand, or that has none of these statuses."""
    if record.busy:
        raise OrderBusy(record.order.id)
    if record.order.status not in statuses:
        raise InvalidTransition(record.order.id, record.order.status)


def changed_prices(cart: Cart, products: dict[str, Product]) -> tuple[PriceChange, ...]:
    """What costs something else by now, or is no longer sold."""
    found = []
    for line in cart.lines:
        product = products.get(line.sku)
        now = product.price if product is not None and product.status == "active" else None
        if now != line.unit_price:
            found.append(PriceChange(line.sku, line.unit_price, now))
    return tuple(found)

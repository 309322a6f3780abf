"""OrderDesk: makes orders out of carts, and sees them through."""

from __future__ import annotations

import msgspec

from apps.store.carts.contract import Cart, Carts, EmptyCart
from apps.store.catalog.contract import Catalog, InvalidCursor, Product
from apps.store.inventory.contract import Inventory, Line
from apps.store.money import Money
from apps.store.orders.contract import (
    Change,
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
)
from apps.store.orders.events import (
    Address,
    Country,
    OrderCancelled,
    OrderLine,
    OrderPaid,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
    Text,
    Totals,
)
from apps.store.orders.records import Record, Records
from apps.store.orders.settings import OrderSettings
from apps.store.orders.totals import goods_of, lines_of, totals_of
from apps.store.payments.contract import Payments
from apps.store.shipping.contract import Shipping
from apps.store.users.contract import Email
from craton import Call, Clock, Database, Events, Saga, Value, command, query


class Placed(Value):
    """An order in hand, with what its saga needs to go on."""

    order: Order
    token: str
    cart_version: int


class OrderDesk(Orders):
    """Orders in the database. While a saga has an order in hand nobody else may change it."""

    def __init__(
        self, db: Database, events: Events, saga: Saga, call: Call, clock: Clock, catalog: Catalog, carts: Carts,
        inventory: Inventory, payments: Payments, shipping: Shipping, settings: OrderSettings,
    ) -> None:
        self.events, self.saga, self.call, self.clock = events, saga, call, clock
        self.catalog, self.carts, self.inventory, self.payments = catalog, carts, inventory, payments
        self.shipping, self.settings, self.records = shipping, settings, Records(db)

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
        return (await self.visible(order)).order

    async def mine(self, limit: Limit = 20, cursor: str | None = None) -> OrderPage:
        return await self.page(self.call.caller.subject, None, limit, cursor)

    async def all_orders(
        self, status: Status | None = None, limit: Limit = 50, cursor: str | None = None,
    ) -> OrderPage:
        return await self.page(None, status, limit, cursor)

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
        record = idle(await self.visible(order), ("paid",))
        shipped = await self.move(record, "shipped", tracking=tracking or None)
        await self.events.publish(OrderShipped(order, tracking, shipped.email, self.clock.now()))
        return shipped

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
        return await self.records.overdue(self.clock.now().timestamp(), limit=limit)

    @command(raises=PriceChanged)
    async def place(self, order: str, cart: Cart, payment: str, email: Email, address: Address) -> Placed:
        """Make an order of a cart, at the prices the customer was shown, if they are still the prices."""
        products = await self.catalog.lookup(tuple(line.sku for line in cart.lines))
        if changes := changed_prices(cart, {product.sku: product for product in products}):
            raise PriceChanged(changes)
        now, lines = self.clock.now(), lines_of(cart)
        totals = await self.totals(lines, cart.currency, address.country)
        placed = Order(
            id=order, owner=self.call.caller.subject, cart=cart.id, email=email, address=address, lines=lines,
            totals=totals, status="submitted", placed=now,
            history=(Change("submitted", now, ""),), refunded=Money(0, cart.currency),
        )
        record = Record(placed, payment, "checkout", cart.version)
        await self.records.make(record, held_until=now.timestamp() + self.settings.hold)
        await self.events.publish(OrderPlaced(order, placed.owner, placed.totals.total, lines))
        return Placed(placed, payment, cart.version)

    @command(raises=(OrderNotFound, InvalidTransition, OrderBusy))
    async def take_up(self, order: str) -> Placed:
        """Go on with an order that waited for its customer."""
        record = await self.visible(order)
        if record.order.owner != self.call.caller.subject:  # whoever goes on must be able to freeze the cart
            raise OrderNotFound(order)
        idle(record, ("stock_confirmed",))
        await self.records.change(record, record._replace(busy="checkout"))
        return Placed(record.order, record.token, record.cart_version)

    @command
    async def wait_for_customer(self, order: str, action_url: str) -> Order:
        """Leave an order until its customer has been to the bank."""
        record = await self.known(order)
        return await self.move(record, "stock_confirmed", note="waits for the customer's bank", action_url=action_url)

    @command
    async def confirm(self, order: str) -> Order:
        """The order is paid."""
        paid = await self.move(await self.known(order), "paid", action_url=None)
        await self.events.publish(OrderPaid(
            order, paid.owner, paid.email, paid.lines, paid.totals.total, paid.address, self.clock.now(),
        ))
        return paid

    @command
    async def drop(self, order: str) -> None:
        """The checkout failed."""
        await self.cancelled(await self.known(order), "the checkout failed", Money(0))

    @command(raises=(OrderNotFound, InvalidTransition, OrderBusy))
    async def take_in_hand(self, order: str, statuses: tuple[Status, ...]) -> Order:
        """Keep others away from an order that has one of these statuses."""
        record = idle(await self.visible(order), statuses)
        return await self.records.change(record, record._replace(busy="cancel or refund"))

    @command
    async def let_go(self, order: str) -> None:
        """Nobody has the order in hand any more."""
        record = await self.known(order)
        await self.records.change(record, record._replace(busy=""))

    @command
    async def end(self, order: str, refunded: Money, reason: str) -> Order:
        """The order is cancelled."""
        return await self.cancelled(await self.known(order), reason, refunded)

    @command
    async def note_refund(self, order: str, amount: Money, reason: str) -> Order:
        """A part of the money was given back."""
        record = await self.known(order)
        refunded = msgspec.structs.replace(record.order, refunded=record.order.refunded + amount)
        await self.events.publish(OrderRefunded(order, amount, record.order.email, reason))
        return await self.records.change(record, record._replace(order=refunded, busy=""))

    async def cancelled(self, record: Record, reason: str, refunded: Money) -> Order:
        """Cancel an order, if that has not been done."""
        if record.order.status == "cancelled":
            return record.order
        given = Money(record.order.refunded.amount + refunded.amount, record.order.refunded.currency)
        after = await self.move(record, "cancelled", note=reason, refunded=given, action_url=None)
        await self.events.publish(OrderCancelled(after.id, reason, after.email, refunded, self.clock.now()))
        return after

    async def move(self, record: Record, status: Status, *, note: str = "", **fields: object) -> Order:
        """An order with another status, in nobody's hand."""
        order = msgspec.structs.replace(record.order, status=status, **fields)
        if status != record.order.status:
            change = Change(status, self.clock.now(), note)
            order = msgspec.structs.replace(order, history=(*order.history, change))
        return await self.records.change(record, record._replace(order=order, busy=""))

    async def visible(self, order: str) -> Record:
        """An order that the caller may know of."""
        found, caller = await self.records.find(order), self.call.caller
        if found is None or (found.order.owner != caller.subject and "admin" not in caller.roles):
            raise OrderNotFound(order)
        return found

    async def known(self, order: str) -> Record:
        """An order that a saga has in hand."""
        found = await self.records.find(order)
        assert found is not None, f"{order} is in a saga's hand, and is not there"
        return found

    async def page(self, owner: str | None, status: Status | None, limit: int, cursor: str | None) -> OrderPage:
        """Some orders, and where the next ones begin."""
        before = read_cursor(cursor) if cursor else None
        found = await self.records.latest(owner=owner, status=status, before=before, limit=limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        return OrderPage(found[:limit], f"{last.placed.timestamp()!r}_{last.id}" if last else None)


def read_cursor(cursor: str) -> tuple[float, str]:
    """The time and the order that a page ended with."""
    placed, _, order = cursor.partition("_")
    try:
        return float(placed), order
    except ValueError:
        raise InvalidCursor from None


def idle(record: Record, statuses: tuple[Status, ...]) -> Record:
    """An order that nobody has in hand, and that has one of these statuses."""
    if record.busy:
        raise OrderBusy(record.order.id)
    if record.order.status not in statuses:
        raise InvalidTransition(record.order.id, record.order.status)
    return record


def changed_prices(cart: Cart, products: dict[str, Product]) -> tuple[PriceChange, ...]:
    """What costs something else by now, or is no longer sold."""
    found = []
    for line in cart.lines:
        product = products.get(line.sku)
        now = product.price if product is not None and product.status == "active" else None
        if now != line.unit_price:
            found.append(PriceChange(line.sku, line.unit_price, now))
    return tuple(found)

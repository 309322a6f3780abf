"""What others may know of orders."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from apps.store.carts.contract import CartChanged, CartClosed, CartExpired, CartFrozen, CartNotFound, EmptyCart
from apps.store.catalog.contract import InvalidCursor
from apps.store.inventory.contract import InsufficientStock, ReservationEnded, ReservationNotFound, UnknownSku
from apps.store.money import Money
from apps.store.orders.events import Address, Country, OrderLine, Text, Totals
from apps.store.payments.contract import CardDeclined, PaymentEnded, PaymentNotFound, RefundRefused, RefundTooLarge
from apps.store.users.contract import Email
from craton import Fault, Page, Value, command, query, saga

Status = Literal["submitted", "stock_confirmed", "paid", "shipped", "cancelled"]
"""submitted (being checked out) -> stock_confirmed (waits for the customer's bank) -> paid -> shipped; cancelled from
each but shipped. The words are eShop's; its AwaitingValidation is the time that our checkout takes."""
Reason = Annotated[str, Meta(max_length=200)]
Limit = Annotated[int, Meta(ge=1, le=100)]


class Quote(Value):
    """What the caller's cart would cost."""

    cart: str
    version: int
    lines: tuple[OrderLine, ...]
    totals: Totals


class Change(Value):
    """When an order came to have a status, and why."""

    status: Status
    at: datetime
    note: str


class Order(Value):
    """What was bought, by whom, for how much, and how far it has come.

    Where `action_url` is set the customer must visit it (3-D Secure), and then resume the order.
    """

    id: str
    owner: str
    cart: str
    email: str
    address: Address
    lines: tuple[OrderLine, ...]
    totals: Totals
    status: Status
    history: tuple[Change, ...]
    placed: datetime
    refunded: Money
    action_url: str | None = None
    tracking: str | None = None


class OrderPage(Page[Order]):
    """Some orders, the newest first."""


class Takings(Value):
    """What was taken and given back on one day, in UTC and in one currency; and how many orders were paid."""

    day: date
    orders: int
    taken: Money
    given_back: Money


class PriceChange(Value):
    """What the customer was shown, and what the product costs now; None where it is no longer sold."""

    sku: str
    seen: Money
    now: Money | None


class PriceChanged(Fault, status=409):
    """Products cost something else by now; refresh the cart and look at it again."""

    lines: tuple[PriceChange, ...]


class OrderNotFound(Fault, status=404):
    """The caller has no such order."""

    order: str


class InvalidTransition(Fault, status=409):
    """The order's status does not allow this."""

    order: str
    state: Status


class OrderBusy(Fault, status=409):
    """Something else is being done with this order; ask again soon."""

    order: str


CHECKOUT = (
    CartNotFound, CartExpired, CartChanged, CartFrozen, CartClosed, EmptyCart, PriceChanged, InvalidTransition,
    InsufficientStock, UnknownSku, ReservationEnded, ReservationNotFound, CardDeclined, PaymentEnded, PaymentNotFound,
)
"""What can be wrong with a checkout. Whichever it is: no order remains open, no stock is held, no money was taken."""


class Orders(Protocol):
    """Buying, and what comes after."""

    @query(get="/quote", raises=EmptyCart)
    async def quote(self, country: Country = "US") -> Quote:
        """What the caller's cart costs today when it goes to a country, shipping and tax included."""
        ...

    @saga(post="/orders", raises=CHECKOUT)
    async def checkout(self, cart: str, version: int, payment: Text, email: Email, address: Address) -> Order:
        """Buy the caller's cart. `payment` is the provider's token for a card, such as pm_card_visa.

        The order comes back paid; or as stock_confirmed with an `action_url`, when the customer's bank wants to hear
        from the customer first: after the visit, resume it.
        """
        ...

    @saga(post="/orders/{order}/resume", raises=(*CHECKOUT, OrderNotFound, OrderBusy))
    async def resume(self, order: str) -> Order:
        """Go on with an order that waited for the customer's bank. Answers as checkout does."""
        ...

    @query(get="/orders/{order}", raises=OrderNotFound)
    async def order(self, order: str) -> Order:
        """One order of the caller; an administrator sees everybody's."""
        ...

    @query(get="/orders", raises=InvalidCursor)
    async def mine(self, limit: Limit = 20, cursor: str | None = None) -> OrderPage:
        """The caller's orders."""
        ...

    @query(get="/admin/orders", raises=InvalidCursor, allow="admin")
    async def all_orders(
        self, status: Status | None = None, limit: Limit = 50, cursor: str | None = None,
    ) -> OrderPage:
        """Everybody's orders."""
        ...

    @query(get="/admin/takings", allow="admin")
    async def takings(self, limit: Limit = 30) -> tuple[Takings, ...]:
        """The latest days on which money moved; what happened just now may be missing for a moment."""
        ...

    @saga(
        post="/orders/{order}/cancel",
        raises=(OrderNotFound, InvalidTransition, OrderBusy, PaymentNotFound, RefundTooLarge, RefundRefused,
                ReservationNotFound, ReservationEnded),
    )
    async def cancel(self, order: str, reason: Reason = "") -> Order:
        """Cancel an order of the caller before it is shipped. What was paid is given back, once."""
        ...

    @command(post="/admin/orders/{order}/ship", raises=(OrderNotFound, InvalidTransition, OrderBusy), allow="admin")
    async def ship(self, order: str, tracking: str = "") -> Order:
        """The goods of a paid order are on their way."""
        ...

    @saga(
        post="/admin/orders/{order}/refunds", allow="admin",
        raises=(OrderNotFound, InvalidTransition, OrderBusy, PaymentNotFound, RefundTooLarge, RefundRefused),
    )
    async def refund(self, order: str, amount: Money, reason: Reason = "") -> Order:
        """Give back a part of what was paid for an order."""
        ...

    @saga(post="/admin/orders/expire", allow="admin")
    async def expire(self, limit: Limit = 50) -> int:
        """Cancel orders whose customers never came back from their banks; how many there were."""
        ...

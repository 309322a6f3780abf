"""What others may know of shipping: what it costs, and what is to be sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from apps.store.catalog.contract import InvalidCursor
from apps.store.money import Money
from apps.store.orders.events import Address, Country, OrderCancelled, OrderLine, OrderPaid, OrderShipped
from craton import Fault, Page, Value, on, query

State = Literal["waiting", "sent", "stopped"]
"""waiting (to be sent) -> sent, or stopped where the order was cancelled."""
Limit = Annotated[int, Meta(ge=1, le=100)]


class Offer(Value):
    """What it costs to send goods of some value; `free_from`: from this value on it costs nothing, if it ever does."""

    price: Money
    free_from: Money | None


class Shipment(Value):
    """The goods of one order, on their way to somebody."""

    order: str
    owner: str
    address: Address
    lines: tuple[OrderLine, ...]
    state: State
    paid: datetime
    tracking: str | None = None


class ShipmentPage(Page[Shipment]):
    """Some shipments, the longest waiting first."""


class ShipmentNotFound(Fault, status=404):
    """Nothing is sent to the caller for this order; not yet, maybe."""

    order: str


class Shipping(Protocol):
    """Sends what is paid. An order is shipped by orders, which know whether it may be; what that means is done here."""

    @query(post="/shipping/quote", allow="anyone")
    async def quote(self, country: Country, goods: Money) -> Offer:
        """What it costs to send goods of this value to a country."""
        ...

    @query(get="/shipments/{order}", raises=ShipmentNotFound)
    async def shipment(self, order: str) -> Shipment:
        """What is sent to the caller for an order; an administrator sees everybody's."""
        ...

    @query(get="/admin/shipments", raises=InvalidCursor, allow="admin")
    async def shipments(self, state: State = "waiting", limit: Limit = 50, cursor: str | None = None) -> ShipmentPage:
        """What is to be sent, or was."""
        ...

    @on(OrderPaid)
    async def prepare(self, event: OrderPaid) -> None:
        """What is paid is to be sent."""
        ...

    @on(OrderShipped)
    async def note_sent(self, event: OrderShipped) -> None:
        """It has left the house."""
        ...

    @on(OrderCancelled)
    async def stop(self, event: OrderCancelled) -> None:
        """It is not to be sent any more."""
        ...

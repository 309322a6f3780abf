"""What others may know of notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from apps.store.catalog.contract import InvalidCursor
from apps.store.inventory.contract import StockLow
from apps.store.orders.events import OrderCancelled, OrderPaid, OrderRefunded, OrderShipped
from craton import Page, Value, on, query, saga

Kind = Literal["paid", "shipped", "cancelled", "refunded", "stock low"]
State = Literal["waiting", "sent", "refused"]
"""waiting (for the mail server) -> sent, or refused where the server will never take it."""
Limit = Annotated[int, Meta(ge=1, le=100)]


class Message(Value):
    """An e-mail, and what became of it. `about` is the order, or the product, that it is about."""

    id: str
    kind: Kind
    to: str
    about: str
    state: State
    written: datetime
    reason: str = ""


class MessagePage(Page[Message]):
    """Some messages, the newest first."""


class Notifications(Protocol):
    """Tells people by e-mail what has happened. A mail server that is away delays; nothing is lost, nobody waits."""

    @query(get="/admin/messages", raises=InvalidCursor, allow="admin")
    async def messages(self, about: str | None = None, limit: Limit = 50, cursor: str | None = None) -> MessagePage:
        """Who got what; about one order or product, or about all."""
        ...

    @on(OrderPaid)
    @saga
    async def thank(self, event: OrderPaid) -> None:
        """The order is confirmed."""
        ...

    @on(OrderShipped)
    @saga
    async def announce(self, event: OrderShipped) -> None:
        """The goods are on their way."""
        ...

    @on(OrderCancelled)
    @saga
    async def regret(self, event: OrderCancelled) -> None:
        """The order was cancelled, and the money given back. Whoever has not paid is told by the shop itself."""
        ...

    @on(OrderRefunded)
    @saga
    async def reimburse(self, event: OrderRefunded) -> None:
        """Some money was given back."""
        ...

    @on(StockLow)
    @saga
    async def warn(self, event: StockLow) -> None:
        """The administrator should order more."""
        ...

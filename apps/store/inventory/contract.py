"""What others may know of the inventory: stock, and what is held for orders."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from apps.store.catalog.contract import ProductDiscontinued
from craton import Event, Fault, Value, command, on, query

Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]
Delta = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
State = Literal["held", "secured", "committed", "returned", "released", "expired"]


class Line(Value):
    """So many of a product."""

    sku: str
    quantity: Quantity


class Stock(Value):
    """Stock of one product: what is there, what of it is promised to orders, and what is left to sell: nothing, once it
    is discontinued."""

    sku: str
    on_hand: int
    reserved: int
    available: int
    discontinued: bool = False


class Reservation(Value):
    """Stock promised to an order: held until `expires`, secured without end, and then exactly one of committed (sold),
    released and expired. What was sold and came back is returned."""

    order: str
    lines: tuple[Line, ...]
    state: State
    expires: datetime


class Level(Value):
    """How much there is at first of a product, for an import."""

    sku: str
    on_hand: Annotated[int, Meta(ge=0, le=1_000_000)]


class Shortage(Value):
    """What an order asked for, and what there was."""

    sku: str
    wanted: int
    available: int


class InsufficientStock(Fault, status=409):
    """There is less of something than the order asks for."""

    lines: tuple[Shortage, ...]


class UnknownSku(Fault, status=404):
    """The inventory has never heard of it."""

    sku: str


class ReservationEnded(Fault, status=409):
    """The order's reservation was released, has expired, or was sold."""

    order: str
    state: State


class ReservationNotFound(Fault, status=404):
    """Nothing was ever reserved for this order."""

    order: str


class StockLow(Event, key="sku"):
    """There is little left to sell."""

    sku: str
    left: int


class StockOut(Event, key="sku"):
    """There is nothing left to sell."""

    sku: str


class StockBack(Event, key="sku"):
    """There is something to sell again."""

    sku: str
    left: int


class ReservationExpired(Event, key="order"):
    """What was held for an order is free again, since its time had passed."""

    order: str


class Inventory(Protocol):
    """Stock on hand, and stock held for orders. Each order has one reservation, named by the order."""

    @query(get="/stock/{sku}", raises=UnknownSku, allow="anyone")
    async def stock(self, sku: str) -> Stock:
        """How much there is of a product."""
        ...

    @query(post="/stock/lookup", allow="anyone")
    async def availability(self, skus: tuple[str, ...]) -> tuple[Stock, ...]:
        """How much there is of these products; unknown ones are left out."""
        ...

    @query(get="/admin/stock", allow="admin")
    async def all_stock(self) -> tuple[Stock, ...]:
        """How much there is of everything, by sku."""
        ...

    @query(get="/admin/stock/low", allow="admin")
    async def low_stock(self) -> tuple[Stock, ...]:
        """What there is little left of, by sku."""
        ...

    @query(get="/admin/reservations/{order}", raises=ReservationNotFound, allow="admin")
    async def reservation(self, order: str) -> Reservation:
        """What is, or was, held for an order."""
        ...

    @command(raises=(InsufficientStock, UnknownSku, ReservationEnded))
    async def reserve(self, order: str, lines: tuple[Line, ...], hold: int = 900) -> Reservation:
        """Hold stock for an order for `hold` seconds. The same order twice holds once. A hold whose time has passed is
        kept until somebody else needs the stock."""
        ...

    @command(raises=(ReservationNotFound, ReservationEnded))
    async def secure(self, order: str) -> None:
        """Make what is held the order's own: it no longer expires. Do this before taking money."""
        ...

    @command(raises=(ReservationNotFound, ReservationEnded))
    async def commit(self, order: str) -> None:
        """What was reserved has been sold."""
        ...

    @command
    async def release(self, order: str) -> None:
        """Give up what is held, and what may yet be asked for by this order. What was sold stays sold."""
        ...

    @command(raises=(ReservationNotFound, ReservationEnded))
    async def take_back(self, order: str) -> None:
        """What was sold has come back."""
        ...

    @command(post="/admin/reservations/expire", allow="admin")
    async def expire(self) -> int:
        """End every hold whose time has passed; how many there were."""
        ...

    @command(post="/admin/stock/{sku}/adjust", raises=(UnknownSku, InsufficientStock), allow="admin")
    async def adjust(self, sku: str, delta: Delta, reason: str = "") -> Stock:
        """Count anew: so many more, or less. What is promised to orders cannot be taken away."""
        ...

    @command(post="/admin/stock/{sku}/restock", allow="admin")
    async def restock(self, sku: str, quantity: Quantity) -> Stock:
        """Goods came in; the first ones make the product known."""
        ...

    @command(post="/admin/stock/import", allow="admin")
    async def import_stock(self, levels: tuple[Level, ...]) -> int:
        """The first stock of products that the inventory does not know yet; how many there were."""
        ...

    @on(ProductDiscontinued)
    async def withdraw(self, event: ProductDiscontinued) -> None:
        """What is no longer sold can no longer be reserved; what is promised to orders still is."""
        ...

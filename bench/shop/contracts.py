"""What the modules of the measured application promise."""

from __future__ import annotations

from typing import Protocol

from craton import Event, Value, command, on, query, saga


class Product(Value):
    """A product."""

    sku: str
    name: str
    price: int
    currency: str
    stock: int
    tags: tuple[str, ...]
    active: bool
    updated_at: str


class Wanted(Value):
    """So many of a product."""

    sku: str
    quantity: int


class Priced(Value):
    """The same, with what it costs."""

    sku: str
    quantity: int
    price: int
    total: int


class Quote(Value):
    """What a basket costs."""

    lines: tuple[Priced, ...]
    total: int
    currency: str


class Sale(Value):
    """What is kept of an order."""

    customer: str
    total: int


class Sold(Event, key="order"):
    """An order was placed."""

    order: str
    customer: str
    total: int


class Dispatched(Event, key="order"):
    """An order has left. `at`: when that was told, in nanoseconds of the machine's clock."""

    order: str
    at: int


class Catalog(Protocol):
    """Asked, never changed."""

    @query
    async def next(self, number: int) -> int:
        """The least that a call can do."""
        ...

    @query
    async def products(self, skus: tuple[str, ...]) -> tuple[Product, ...]:
        """Products by their numbers."""
        ...


    @query(get="/products/{sku}", allow="anyone")
    async def product(self, sku: str) -> Product:
        """One product."""
        ...

    @query(post="/quotes", allow="anyone")
    async def quote(self, lines: tuple[Wanted, ...]) -> Quote:
        """What a basket costs."""
        ...


class Orders(Protocol):
    """Orders: one table."""

    @command
    async def nothing(self) -> None:
        """No write."""
        ...

    @command
    async def place(self, order: str) -> None:
        """One write."""
        ...

    @command(post="/sales", allow="anyone")
    async def sell(self, order: str) -> None:
        """One write and one event."""
        ...

    @command
    async def dispatch(self, order: str, at: int) -> None:
        """One event, which another module hears of."""
        ...

    @command
    async def cancel(self, order: str) -> None:
        """The undo of `place`."""
        ...

    @command
    async def confirm(self, order: str) -> None:
        """Another write to the same row."""
        ...

    @query
    async def sale(self, order: str) -> Sale:
        """One read."""
        ...

    @saga
    async def buy(self, order: str) -> None:
        """Four steps in three modules, each with one write."""
        ...


    @saga
    async def ship(self, order: str) -> None:
        """Four steps in four other modules, each with one write."""
        ...


class Stock(Protocol):
    """Stock that is held for orders."""

    @command
    async def reserve(self, order: str) -> None:
        """One write."""
        ...

    @command
    async def release(self, order: str) -> None:
        """The undo of `reserve`."""
        ...


class Payments(Protocol):
    """What orders have cost."""

    @command
    async def charge(self, order: str) -> None:
        """One write."""
        ...

    @command
    async def refund(self, order: str) -> None:
        """The undo of `charge`."""
        ...


class Packing(Protocol):
    """What is packed."""

    @command
    async def pack(self, order: str) -> None:
        """One write."""
        ...

    @command
    async def unpack(self, order: str) -> None:
        """The undo of `pack`."""
        ...


class Delivery(Protocol):
    """What is on its way."""

    @command
    async def book(self, order: str) -> None:
        """One write."""
        ...

    @command
    async def revoke(self, order: str) -> None:
        """The undo of `book`."""
        ...


class Audience(Protocol):
    """Hears of what leaves."""

    @on(Dispatched)
    async def hear(self, event: Dispatched) -> None:
        """One write."""
        ...

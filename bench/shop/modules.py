"""The modules of the measured application: ordinary classes."""

from __future__ import annotations

from functools import partial

from bench.peers.catalog import shelf
from bench.shop import tables
from bench.shop.contracts import (
    Audience,
    Catalog,
    Delivery,
    Dispatched,
    Orders,
    Packing,
    Payments,
    Priced,
    Product,
    Quote,
    Sale,
    Sold,
    Stock,
    Wanted,
)
from bench.tally import TALLY
from craton import Database, Events, Saga
from craton.calls.context import CONTEXT


class Shelf(Catalog):
    """Products in memory."""

    def __init__(self) -> None:
        self.found: dict[str, Product] = shelf(Product)

    async def next(self, number: int) -> int:
        """The least that a call can do."""
        return number + 1

    async def products(self, skus: tuple[str, ...]) -> tuple[Product, ...]:
        """Products by their numbers."""
        return tuple(self.found[sku] for sku in skus)

    async def product(self, sku: str) -> Product:
        """One product."""
        return self.found[sku]

    async def quote(self, lines: tuple[Wanted, ...]) -> Quote:
        """What a basket costs."""
        priced = tuple(
            Priced(w.sku, w.quantity, price := self.found[w.sku].price, w.quantity * price) for w in lines
        )
        return Quote(priced, sum(line.total for line in priced), "USD")


class Desk(Orders):
    """Orders in a table."""

    statements = tables.Statements(tables.orders)

    def __init__(
        self, db: Database, events: Events, saga: Saga, stock: Stock, payments: Payments, packing: Packing,
        delivery: Delivery,
    ) -> None:
        self.db, self.events, self.saga, self.stock, self.payments = db, events, saga, stock, payments
        self.packing, self.delivery = packing, delivery

    async def nothing(self) -> None:
        """No write."""

    async def place(self, order: str) -> None:
        """One write."""
        await self.db.execute(self.statements.insert, tables.row(order))

    async def sell(self, order: str) -> None:
        """One write and one event."""
        await self.place(order)
        await self.events.publish(Sold(order, tables.CUSTOMER, tables.TOTAL))

    async def dispatch(self, order: str, at: int) -> None:
        """One event, which another module hears of."""
        await self.events.publish(Dispatched(order, at))

    async def cancel(self, order: str) -> None:
        """The undo of `place`."""
        await self.db.execute(self.statements.delete, {"wanted": order})

    async def confirm(self, order: str) -> None:
        """Another write to the same row."""
        await self.db.execute(self.statements.update, {"wanted": order, "total": 2999})

    async def sale(self, order: str) -> Sale:
        """One read."""
        customer, total = (await self.db.execute(self.statements.select, {"wanted": order})).one()
        return Sale(customer, total)

    async def buy(self, order: str) -> None:
        """Four steps in three modules, each with one write."""
        await self.saga.step(self.place, order).undo(self.cancel, order)
        await self.saga.step(self.stock.reserve, order).undo(self.stock.release, order)
        await self.saga.step(self.payments.charge, order).undo(self.payments.refund, order)
        await self.saga.step(self.confirm, order)

    async def ship(self, order: str) -> None:
        """Four steps in four other modules, each with one write."""
        await self.saga.step(self.stock.reserve, order).undo(self.stock.release, order)
        await self.saga.step(self.payments.charge, order).undo(self.payments.refund, order)
        await self.saga.step(self.packing.pack, order).undo(self.packing.unpack, order)
        await self.saga.step(self.delivery.book, order).undo(self.delivery.revoke, order)


class Shelves(Stock):
    """Holds in a table."""

    statements = tables.Statements(tables.stock)

    def __init__(self, db: Database) -> None:
        self.db = db

    async def reserve(self, order: str) -> None:
        """One write."""
        await self.db.execute(self.statements.insert, tables.row(order))

    async def release(self, order: str) -> None:
        """The undo of `reserve`."""
        await self.db.execute(self.statements.delete, {"wanted": order})


class Till(Payments):
    """Charges in a table."""

    statements = tables.Statements(tables.payments)

    def __init__(self, db: Database) -> None:
        self.db = db

    async def charge(self, order: str) -> None:
        """One write."""
        await self.db.execute(self.statements.insert, tables.row(order))

    async def refund(self, order: str) -> None:
        """The undo of `charge`."""
        await self.db.execute(self.statements.delete, {"wanted": order})


class Packers(Packing):
    """Parcels in a table."""

    statements = tables.Statements(tables.packing)

    def __init__(self, db: Database) -> None:
        self.db = db

    async def pack(self, order: str) -> None:
        """One write."""
        await self.db.execute(self.statements.insert, tables.row(order))

    async def unpack(self, order: str) -> None:
        """The undo of `pack`."""
        await self.db.execute(self.statements.delete, {"wanted": order})


class Drivers(Delivery):
    """Tours in a table."""

    statements = tables.Statements(tables.delivery)

    def __init__(self, db: Database) -> None:
        self.db = db

    async def book(self, order: str) -> None:
        """One write."""
        await self.db.execute(self.statements.insert, tables.row(order))

    async def revoke(self, order: str) -> None:
        """The undo of `book`."""
        await self.db.execute(self.statements.delete, {"wanted": order})


class Ear(Audience):
    """What was heard, in a table."""

    statements = tables.Statements(tables.audience)

    def __init__(self, db: Database) -> None:
        self.db = db

    async def hear(self, event: Dispatched) -> None:
        """One write, counted when it is committed."""
        await self.db.execute(self.statements.insert, tables.row(event.order))
        CONTEXT.get().unit.after.add(partial(TALLY.add, event.at))

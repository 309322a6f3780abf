"""A small shop with a saga over three modules: what the tests of calls and sagas run."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Column, Integer, MetaData, String, Table, delete, insert, select, update

from craton import (
    Application,
    Call,
    Database,
    Event,
    Events,
    Fault,
    Module,
    OutcomeUnknown,
    Saga,
    Value,
    command,
    effect,
    query,
    saga,
)


class Order(Value):
    id: str
    state: str


class OutOfStock(Fault, status=409):
    sku: str
    left: int


class Declined(Fault, status=402):
    reason: str


class Refused(Fault):
    why: str


class Placed(Event, key="order"):
    order: str


class Closed(Event, key="order"):
    order: str
    state: str


class Moved(Event, key="sku"):
    sku: str
    count: int


class Paid(Event, key="order"):
    order: str
    state: str


class Inventory(Protocol):
    @query(get="/stock/{sku}")
    async def left(self, sku: str) -> int: ...

    @command(raises=OutOfStock)
    async def reserve(self, order: str, sku: str, count: int) -> None: ...

    @command
    async def release(self, order: str) -> None: ...

    @command
    async def restock(self, sku: str, count: int) -> None: ...


class Payments(Protocol):
    @query
    async def charged(self) -> tuple[str, ...]: ...

    @effect(raises=Declined)
    async def authorize(self, order: str, amount: int) -> str: ...

    @effect
    async def void(self, order: str) -> None: ...

    @effect(raises=Declined)
    async def capture(self, order: str, amount: int) -> str: ...


class Orders(Protocol):
    @saga(post="/orders", raises=(OutOfStock, Declined, Refused))
    async def checkout(self, sku: str, count: int, amount: int, refuse: str = "") -> Order: ...

    @saga(post="/plain", raises=(OutOfStock, Refused))
    async def plain(self, sku: str, count: int, refuse: str = "") -> Order: ...

    @query(get="/orders")
    async def all(self) -> tuple[Order, ...]: ...


inventory_tables = MetaData()
stock = Table("inventory_stock", inventory_tables, Column("sku", String, primary_key=True), Column("count", Integer))
held = Table("inventory_held", inventory_tables, Column("order", String, primary_key=True), Column("sku", String),
             Column("count", Integer))
orders_tables = MetaData()
orders = Table("orders_order", orders_tables, Column("id", String, primary_key=True), Column("state", String))
payments_tables = MetaData()
payment = Table("payments_payment", payments_tables, Column("order", String, primary_key=True), Column("state", String))


class Warehouse(Inventory):
    def __init__(self, db: Database, events: Events) -> None:
        self.db, self.events = db, events

    async def left(self, sku: str) -> int:
        return int((await self.db.execute(select(stock.c.count).where(stock.c.sku == sku))).scalar_one())

    async def reserve(self, order: str, sku: str, count: int) -> None:
        left = await self.left(sku)
        await self.db.execute(update(stock).where(stock.c.sku == sku).values(count=stock.c.count - count))
        await self.db.execute(insert(held).values(order=order, sku=sku, count=count))
        await self.events.publish(Moved(sku, -count))
        if left < count:
            raise OutOfStock(sku, left)

    async def release(self, order: str) -> None:
        _, sku, count = (await self.db.execute(select(held).where(held.c.order == order))).one()
        await self.db.execute(update(stock).where(stock.c.sku == sku).values(count=stock.c.count + count))
        await self.db.execute(delete(held).where(held.c.order == order))
        await self.events.publish(Moved(sku, count))

    async def restock(self, sku: str, count: int) -> None:
        more = update(stock).where(stock.c.sku == sku).values(count=stock.c.count + count)
        if not (await self.db.execute(more)).rowcount:
            await self.db.execute(insert(stock).values(sku=sku, count=count))


class Bank:
    """The outside world: what it was asked, by key; and what it is to do wrong."""

    def __init__(self) -> None:
        self.books: dict[str, tuple[str, str, int]] = {}
        self.silent, self.limit = 0, 100

    async def ask(self, key: str, what: str, order: str, amount: int) -> None:
        self.books.setdefault(key, (what, order, amount))
        if self.silent:
            self.silent -= 1
            raise OutcomeUnknown("the bank did not answer")

    def of(self, what: str) -> list[str]:
        return [order for done, order, _ in self.books.values() if done == what]


BANK = Bank()


class Cashier(Payments):
    def __init__(self, db: Database, call: Call, events: Events) -> None:
        self.db, self.call, self.events = db, call, events

    async def charged(self) -> tuple[str, ...]:
        rows = await self.db.execute(select(payment.c.order).where(payment.c.state == "captured"))
        return tuple(rows.scalars())

    async def authorize(self, order: str, amount: int) -> str:
        if amount > BANK.limit:
            raise Declined("too much")
        await BANK.ask(self.call.key, "authorize", order, amount)
        await self.record(order, "authorized")
        return f"auth-{order}"

    async def void(self, order: str) -> None:
        await BANK.ask(self.call.key, "void", order, 0)
        await self.record(order, "voided")

    async def capture(self, order: str, amount: int) -> str:
        if amount == 99:
            raise Declined("at the last moment")
        await BANK.ask(self.call.key, "capture", order, amount)
        await self.record(order, "captured")
        return f"receipt-{order}"

    @command
    async def record(self, order: str, state: str) -> None:
        await self.db.execute(delete(payment).where(payment.c.order == order))
        await self.db.execute(insert(payment).values(order=order, state=state))
        await self.events.publish(Paid(order, state))


class OrderDesk(Orders):
    def __init__(self, db: Database, saga: Saga, events: Events, inventory: Inventory, payments: Payments) -> None:
        self.db, self.saga, self.events, self.inventory, self.payments = db, saga, events, inventory, payments

    async def checkout(self, sku: str, count: int, amount: int, refuse: str = "") -> Order:
        step, order = self.saga.step, self.saga.id("order")
        await step(self.place, order).undo(self.cancel, order)
        await step(self.inventory.left, sku)
        await step(self.inventory.reserve, order, sku, count).undo(self.inventory.release, order)
        await step(self.payments.authorize, order, amount).undo(self.payments.void, order)
        await step(self.check, refuse)
        await step(self.payments.capture, order, amount)
        return await step(self.confirm, order)

    async def plain(self, sku: str, count: int, refuse: str = "") -> Order:
        step, order = self.saga.step, self.saga.id("order")
        await step(self.place, order).undo(self.cancel, order)
        await step(self.inventory.reserve, order, sku, count).undo(self.inventory.release, order)
        await step(self.check, refuse)
        return await step(self.confirm, order)

    async def all(self) -> tuple[Order, ...]:
        rows = await self.db.execute(select(orders).order_by(orders.c.id))
        return tuple(Order(*row) for row in rows)

    @command
    async def place(self, order: str) -> None:
        await self.db.execute(insert(orders).values(id=order, state="placed"))
        await self.events.publish(Placed(order))

    @command
    async def cancel(self, order: str) -> None:
        await self.db.execute(update(orders).where(orders.c.id == order).values(state="cancelled"))
        await self.events.publish(Closed(order, "cancelled"))

    @command(raises=Refused)
    async def check(self, refuse: str) -> None:
        if refuse:
            raise Refused(refuse)

    @command
    async def confirm(self, order: str) -> Order:
        await self.db.execute(update(orders).where(orders.c.id == order).values(state="confirmed"))
        await self.events.publish(Closed(order, "confirmed"))
        return Order(order, "confirmed")


shop = Application("shop", [
    Module("orders", Orders, "tests.sagas.shop:OrderDesk", tables="tests.sagas.shop:orders_tables"),
    Module("inventory", Inventory, "tests.sagas.shop:Warehouse", tables="tests.sagas.shop:inventory_tables"),
    Module("payments", Payments, "tests.sagas.shop:Cashier", tables="tests.sagas.shop:payments_tables"),
])

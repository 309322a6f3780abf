"""An application as people write it: type checkers must find nothing to say of it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from craton import (
    Application,
    Call,
    CallError,
    Clock,
    Database,
    Event,
    Events,
    Fault,
    Ids,
    JobStatus,
    Module,
    Offload,
    Saga,
    Secret,
    Settings,
    Task,
    Tasks,
    Topology,
    Value,
    command,
    effect,
    query,
    saga,
)

T = TypeVar("T")


class Line(Value):
    sku: str
    quantity: int = 1


class Page(Value, Generic[T]):
    items: tuple[T, ...]
    total: int


class Card(Value, tag=True, kw_only=True):
    token: str


class OutOfStock(Fault, status=409):
    sku: str
    available: int = 0


class StockLow(Event, key="sku", version=2):
    sku: str
    left: int


class OrderSettings(Settings):
    limit: Decimal = Decimal(1000)
    key: Secret = Secret("")


class Inventory(Protocol):
    """Stock on hand."""

    @query
    async def available(self, sku: str) -> int: ...

    @query(get="/stock", allow="anyone")
    async def search(self, text: str, *, limit: int = 20) -> Page[Line]: ...

    @query
    def follow(self, sku: str) -> AsyncIterator[Line]: ...

    @command(raises=OutOfStock)
    async def reserve(self, order: str, lines: tuple[Line, ...]) -> int: ...

    @command
    async def release(self, order: str) -> None: ...


class Orders(Protocol):
    """Orders, and their way to the customer."""

    @saga(post="/orders", raises=(OutOfStock,), allow="caller", version=2, awaits=StockLow)
    async def checkout(self, cart: str, card: Card) -> str: ...

    @effect
    async def notify(self, order: str) -> None: ...


class Warehouse(Inventory):
    def __init__(self, db: Database, events: Events, clock: Clock) -> None:
        self.db, self.events, self.clock = db, events, clock

    async def available(self, sku: str) -> int:
        return len(sku)

    async def search(self, text: str, *, limit: int = 20) -> Page[Line]:
        return Page((Line(text), Line(sku=text, quantity=limit)), total=2)

    async def follow(self, sku: str) -> AsyncIterator[Line]:
        yield Line(sku)

    async def reserve(self, order: str, lines: tuple[Line, ...]) -> int:
        if not lines:
            raise OutOfStock(order, available=0)
        await self.events.publish(StockLow(sku=lines[0].sku, left=1))
        return lines[0].quantity

    async def release(self, order: str) -> None:
        return None


def left_of(held: int) -> int:
    return held


class OrderDesk(Orders):
    def __init__(
        self, saga: Saga, inventory: Inventory, call: Call, ids: Ids, offload: Offload, chance: random.Random,
        settings: OrderSettings,
    ) -> None:
        self.saga, self.inventory, self.call, self.ids, self.offload = saga, inventory, call, ids, offload
        self.chance, self.settings = chance, settings

    async def checkout(self, cart: str, card: Card) -> str:
        saga, order = self.saga, self.saga.id("order")
        lines = (await saga.step(self.inventory.search, cart, limit=3)).items
        held: int = await saga.step(self.inventory.reserve, order, lines).undo(self.inventory.release, order)
        await saga.step(self.place, order, held).undo(self.inventory.release, order=order)
        await saga.step(self.notify, order)
        if saga.version >= 2:
            await saga.sleep(timedelta(days=1))
        left, found = await saga.gather(
            saga.step(self.inventory.available, cart), saga.step(self.inventory.search, cart, limit=left_of(held)),
        )
        counts = await saga.gather(*[saga.step(self.inventory.available, line.sku) for line in found.items])
        low = await saga.event(StockLow, key=cart, within=60)
        return order if low is None or low.left < left + sum(counts) else low.sku

    @command(raises=OutOfStock)
    async def place(self, order: str, held: int) -> None:
        try:
            assert await self.inventory.available(order) > held
        except OutOfStock as fault:
            raise OutOfStock(fault.sku, fault.available) from fault
        except CallError:
            raise

    async def notify(self, order: str) -> None:
        text: str = await self.offload(str.upper, order)
        assert text and self.call.caller.subject and self.settings.key.reveal()


SHOP = Application("shop", [
    Module("inventory", Inventory, "shop.inventory:Warehouse", owner="fulfilment"),
    Module("orders", Orders, "shop.orders:OrderDesk", settings=OrderSettings),
])
IMPLEMENTATIONS: tuple[type[Inventory], type[Orders]] = (Warehouse, OrderDesk)


async def first(inventory: Inventory, topology: Topology) -> Line:
    """A stream is read with `async for`, and fields have their types."""
    version: int = StockLow.schema_version
    async for line in inventory.follow(topology.home_of("inventory").name):
        return line
    return Line("none", version + OutOfStock.status)


class Wrap(Value):
    order: str


class Wrapped(Value):
    boxes: int


WRAP = Task("wrap", Wrap, Wrapped, queue="parcels", timeout=timedelta(minutes=2), retries=1, backoff=(1, 60))
PACKING: dict[Task[Any, Any], str] = {WRAP: "shop.packing:wrap"}


class Packer:
    """Jobs are submitted in commands, and awaited in sagas."""

    def __init__(self, tasks: Tasks, saga: Saga) -> None:
        self.tasks, self.saga = tasks, saga

    async def pack(self, order: str) -> str:
        job: str = await self.tasks.submit(WRAP, Wrap(order), delay=timedelta(hours=1), priority=5, unique=order)
        status: JobStatus | None = await self.tasks.status(job)
        return job if status is None or await self.tasks.cancel(status.id) else status.state

    async def pack_all(self, orders: tuple[str, ...]) -> int:
        one: int = (await self.saga.step(WRAP, Wrap("one"))).boxes
        wrapped = await self.saga.gather(*[self.saga.step(WRAP, Wrap(order)) for order in orders])
        return one + sum(each.boxes for each in wrapped)

"""What type checkers must find: an error in every line whose errors are ignored, and in no other."""

from __future__ import annotations

from typing import Protocol

from craton import Event, Fault, Saga, Streams, Task, Tasks, Value, command, query


class Line(Value):
    sku: str
    quantity: int = 1


class OutOfStock(Fault):
    sku: str


class StockLow(Event, key="sku"):
    sku: str


class Stock(Protocol):
    @query
    async def left(self, sku: str) -> int: ...

    @command(raises=OutOfStock)
    async def reserve(self, order: str, lines: tuple[Line, ...]) -> int: ...

    @command(raises=ValueError)  # type: ignore
    async def release(self, order: str) -> None: ...

    @query  # type: ignore
    def count(self) -> int: ...


class Shelf(Stock):
    async def left(self, sku: int) -> int:  # type: ignore
        return 1

    async def reserve(self, order: str, lines: tuple[Line, ...]) -> str:  # type: ignore
        return ""


def construct() -> None:
    Line(1)  # type: ignore
    Line("a", colour="red")  # type: ignore
    OutOfStock(1)  # type: ignore
    OutOfStock()  # type: ignore
    StockLow(sku=1)  # type: ignore
    Line("a").sku = "b"  # type: ignore
    OutOfStock("a").sku = "b"  # type: ignore
    StockLow("a").sku = "b"  # type: ignore


async def call(stock: Stock) -> None:
    await stock.left(1)  # type: ignore
    await stock.reserve("o")  # type: ignore
    text: str = await stock.left("a")  # type: ignore
    assert text


async def checkout(saga: Saga, stock: Stock) -> None:
    await saga.step(stock.left, 1)  # type: ignore
    await saga.step(stock.reserve, "o")  # type: ignore
    await saga.step(stock.left, "a").undo(stock.release)  # type: ignore
    await saga.step(stock.left, "a").undo(stock.release, 1)  # type: ignore
    text: str = await saga.step(stock.left, "a")  # type: ignore
    assert text


class Count(Value):
    left: int


class Counted(Event, key="sku"):
    sku: str
    left: int


def evolve(count: Count | None, event: Counted) -> Count:
    return Count(event.left)


def unlike(count: Count | None, event: Counted) -> int:
    return event.left


class Cellar:
    def __init__(self, streams: Streams) -> None:
        self.counts = streams.of(evolve)
        streams.of(unlike)  # type: ignore

    async def count(self, sku: str) -> int:
        stream = await self.counts.load(sku)
        await stream.append(StockLow(sku))  # type: ignore
        assert stream.state.left  # type: ignore
        left: str = (await stream.append(Counted(sku, 1))).left  # type: ignore
        return len(left)


class Wrapped(Value):
    boxes: int


WRAP = Task("wrap", Count, Wrapped)
Task("wrap", int, Wrapped)  # type: ignore
Task("wrap", Count, Wrapped, retries="many")  # type: ignore


class Packer:
    def __init__(self, tasks: Tasks, saga: Saga) -> None:
        self.tasks, self.saga = tasks, saga

    async def pack(self) -> int:
        await self.tasks.submit(WRAP, 3)  # type: ignore
        job: int = await self.tasks.submit(WRAP, Count(1))  # type: ignore
        await self.saga.step(WRAP, Wrapped(1))  # type: ignore
        left: int = (await self.saga.step(WRAP, Count(1))).left  # type: ignore
        return job + left

"""What type checkers must find: an error in every line whose errors are ignored, and in no other."""

from __future__ import annotations

from typing import Protocol

from craton import Event, Fault, Saga, Value, command, query


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

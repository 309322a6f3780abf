"""Several statements on their way to PostgreSQL and back over one connection, and the rows that they bring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from struct import Struct
from typing import Any

LENGTH = Struct("!i").unpack_from
ROW, DONE, ERROR, READY = b"DCEZ"
Reader = Callable[[bytes], Any]
Columns = tuple[Reader, ...]
"""How the values of each column are read."""
TYPES: Mapping[int, Reader] = {
    16: lambda text: text == b"t", 20: int, 21: int, 23: int, 701: float, 1700: lambda text: Decimal(text.decode()),
    25: bytes.decode, 1042: bytes.decode, 1043: bytes.decode,
}
"""How a value is read from its text, by the number of its type in PostgreSQL: bool, int8, int2, int4, float8, numeric,
text, char and varchar. They come out as asyncpg reads them."""


def columns_of(description: Sequence[Any] | None) -> Columns | None:
    """How these columns, as a driver describes them, are read; None where that is not known here, or there are none."""
    found = [reader for column in description or () if (reader := TYPES.get(column[1])) is not None]
    return tuple(found) if found and len(found) == len(description or ()) else None


class Read:
    """One statement that waits to be read, and who waits for its rows: None, where it is to be run in another way."""

    __slots__ = ("answer", "columns", "connection", "module", "rows", "sql", "values")

    def __init__(self, module: str, sql: str, values: bytes, columns: Columns) -> None:
        self.module, self.sql, self.values, self.columns = module, sql, values, columns
        self.rows: list[tuple[Any, ...]] = []
        self.connection: Any = None
        self.answer: asyncio.Future[list[tuple[Any, ...]] | None] = asyncio.get_running_loop().create_future()

    def tell(self, rows: list[tuple[Any, ...]] | None) -> None:
        """What came of it, for whoever still wants to know."""
        if not self.answer.done():
            self.answer.set_result(rows)


class Batch(asyncio.Protocol):
    """Statements on their way: until all is answered, this is the protocol of the connection, in place of asyncpg's.

    `steps`: whose answers come in which order; None for what nobody waits for. `done` is told at the end whether
    something failed.
    """

    def __init__(self, transport: Any, steps: Sequence[Read | None], done: Callable[[bool], object]) -> None:
        self.transport, self.driver = transport, transport.get_protocol()
        self.steps, self.at, self.done = steps, 0, done
        self.rest, self.failed, self.over = b"", False, False
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Some of the answer: messages of a letter, a length and a body."""
        data, at = self.rest + data if self.rest else data, 0
        while at + 5 <= len(data) and (end := at + 1 + LENGTH(data, at + 1)[0]) <= len(data):
            self.take(data[at], data, at + 5)
            at = end
        self.rest = data[at:]

    def take(self, kind: int, data: bytes, at: int) -> None:
        """One message, whose body begins at a place."""
        if kind == ROW:
            if (read := self.steps[self.at]) is not None:
                read.rows.append(row_of(data, at + 2, read.columns))
        elif kind == DONE:
            if (read := self.steps[self.at]) is not None:
                read.tell(read.rows)
            self.at += 1
        elif kind == ERROR:
            self.failed = True
        elif kind == READY:
            self.transport.set_protocol(self.driver)
            self.end()

    def end(self) -> None:
        """There is no more."""
        if not self.over:
            self.over = True
            for read in self.steps[self.at:]:
                if read is not None:
                    read.tell(None)
            self.done(self.failed)

    def abandon(self) -> None:
        """Nobody waits for it any more, and it does not come: end the connection."""
        if not self.over:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has gone."""
        self.failed = True
        self.driver.connection_lost(exc)
        self.end()

    def eof_received(self) -> bool | None:
        """It says no more."""
        told: bool | None = self.driver.eof_received()
        return told

    def pause_writing(self) -> None:
        """It reads too slowly."""
        self.driver.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        self.driver.resume_writing()


def row_of(data: bytes, at: int, columns: Columns) -> tuple[Any, ...]:
    """One row: its values stand from a place on, each after its length."""
    values: list[Any] = []
    for read in columns:
        (size,) = LENGTH(data, at)
        at += 4
        if size < 0:
            values.append(None)
        else:
            values.append(read(data[at:at + size]))
            at += size
    return tuple(values)

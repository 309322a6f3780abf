"""The application that all links are tried with: a desk that is asked, and a clerk in another service who asks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from sqlalchemy import Column, Integer, MetaData, String, Table, delete, func, insert, select

from craton import Application, Call, Database, Fault, Module, Saga, Value, command, query, saga
from craton.topology import Service, Topology

TABLES = MetaData()
NOTES = Table("desk_notes", TABLES, Column("number", Integer, primary_key=True), Column("text", String, nullable=False))


class Item(Value):
    number: int
    name: str | None = None


class Told(Value):
    subject: str
    roles: tuple[str, ...]
    key: str
    left: float | None


class Full(Fault, status=409):
    most: int
    names: tuple[str, ...] = ()


class Shut(Fault):
    """It has no fields."""


class Desk(Protocol):
    """Every kind of method, some at routes."""

    @query(get="/echo/{text}", allow="anyone")
    async def echo(self, text: str, times: int = 1, also: tuple[str, ...] = ()) -> tuple[str, ...]: ...

    @query(post="/turned")
    async def turned(self, data: bytes, item: Item | None = None) -> bytes: ...

    @query
    async def plain(self, items: tuple[Item, ...]) -> tuple[Item, ...]: ...

    @query(get="/found/{number}")
    async def found(self, number: int) -> Item | None: ...

    @query(post="/nothing")
    async def nothing(self) -> None: ...

    @query(get="/refused/{number}", raises=(Full, Shut))
    async def refused(self, number: int) -> int: ...

    @query(get="/broken")
    async def broken(self) -> int: ...

    @query(get="/told")
    async def told(self) -> Told: ...

    @query(get="/wait/{name}")
    async def wait(self, name: str) -> int: ...

    @command(post="/notes", raises=Full)
    async def note(self, text: str) -> int: ...

    @command
    async def note_quietly(self, text: str) -> int: ...

    @command(delete="/notes/{text}")
    async def take_off(self, text: str) -> None: ...

    @query
    async def notes(self) -> tuple[str, ...]: ...

    @saga(post="/errands")
    async def errand(self, seconds: float) -> str: ...

    @query(get="/items", raises=Full)
    def items(self, most: int, ends: str = "") -> AsyncIterator[Item]: ...


class Clerk(Protocol):
    """Who asks the desk, as part of a call of its own."""

    @query
    async def told(self) -> Told: ...

    @saga
    async def two_notes(self, first: str, second: str) -> int: ...


class Counter(Desk):
    def __init__(self, db: Database, call: Call, saga: Saga) -> None:
        self.db, self.call, self.saga = db, call, saga
        self.began, self.cancelled, self.ended = list[str](), list[str](), list[str]()

    async def echo(self, text: str, times: int = 1, also: tuple[str, ...] = ()) -> tuple[str, ...]:
        return (text,) * times + also

    async def turned(self, data: bytes, item: Item | None = None) -> bytes:
        return data[::-1]

    async def plain(self, items: tuple[Item, ...]) -> tuple[Item, ...]:
        return items[::-1]

    async def found(self, number: int) -> Item | None:
        return Item(number, "ünïcødé \N{SNOWMAN}") if number else None

    async def nothing(self) -> None: ...

    async def refused(self, number: int) -> int:
        raise Full(number, ("a", "ß")) if number else Shut()

    async def broken(self) -> int:
        raise ValueError("a bug")

    async def told(self) -> Told:
        caller = self.call.caller
        return Told(caller.subject, tuple(sorted(caller.roles)), self.call.key, self.call.left)

    async def wait(self, name: str) -> int:
        self.began.append(name)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        return 0

    async def note(self, text: str) -> int:
        number = (await self.db.execute(select(func.count()).select_from(NOTES))).scalar_one()
        await self.db.execute(insert(NOTES), {"text": text})
        if text.startswith("too much"):
            raise Full(number)
        return int(number) + 1

    async def note_quietly(self, text: str) -> int:
        return await self.note(text)

    async def take_off(self, text: str) -> None:
        await self.db.execute(delete(NOTES).where(NOTES.c.text == text))

    async def notes(self) -> tuple[str, ...]:
        return tuple((await self.db.execute(select(NOTES.c.text).order_by(NOTES.c.number))).scalars())

    async def errand(self, seconds: float) -> str:
        await self.saga.sleep(seconds)
        return "done"

    async def items(self, most: int, ends: str = "") -> AsyncIterator[Item]:
        try:
            for number in range(most):
                yield Item(number)
            if ends == "full":
                raise Full(most)
            if ends == "stuck":
                await asyncio.Event().wait()
        finally:
            self.ended.append(f"{most} {ends}")


class Asker(Clerk):
    def __init__(self, desk: Desk, saga: Saga) -> None:
        self.desk, self.saga = desk, saga

    async def told(self) -> Told:
        return await self.desk.told()

    async def two_notes(self, first: str, second: str) -> int:
        await self.saga.step(self.desk.note, first).undo(self.desk.take_off, first)
        return await self.saga.step(self.desk.note, second)


office = Application("office", [
    Module("desk", Desk, f"{__name__}:Counter", tables=f"{__name__}:TABLES"),
    Module("clerk", Clerk, f"{__name__}:Asker"),
])
SPLIT = Topology("split", (Service("desk", ("desk",)), Service("clerk", ("clerk",))))

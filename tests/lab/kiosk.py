"""A small application in which each method does something known to its database and to others: sins, and the same
without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import asyncpg
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, bindparam, func, insert, select, update
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from craton import Application, Database, Event, Events, Module, Saga, command, on, query, saga
from craton.data.migrations import migrate
from craton.lab.recording.recorder import Recorder
from craton.testing.start import Running
from craton.topology import Service, Topology

metadata = MetaData()
BOOK = Table(
    "books_book", metadata,
    Column("id", Integer, primary_key=True), Column("author", String, nullable=False),
    Column("isbn", String, nullable=False), Column("kind", String, nullable=False),
)
Index("books_isbn", BOOK.c.isbn)
Index("books_kind", BOOK.c.kind)
ONE = select(BOOK.c.author).where(BOOK.c.id == bindparam("book"))
ALL = select(BOOK.c.author).where(BOOK.c.id.in_(bindparam("books", expanding=True)))


class Added(Event, key="book"):
    book: int


class Books(Protocol):
    @query
    async def one(self, book: int) -> str: ...

    @query
    async def one_by_one(self, books: tuple[int, ...]) -> tuple[str, ...]: ...

    @query
    async def at_once(self, books: tuple[int, ...]) -> tuple[str, ...]: ...

    @query
    async def through_itself(self, books: tuple[int, ...]) -> tuple[str, ...]: ...

    @query
    async def by_author(self, author: str) -> tuple[int, ...]: ...

    @query
    async def by_isbn(self, isbn: str) -> tuple[int, ...]: ...

    @query
    async def by_kind(self, kind: str) -> int: ...

    @query
    async def containing(self, text: str) -> int: ...

    @query
    async def dreaming(self, seconds: float) -> int: ...

    @command
    async def add(self, book: int) -> None: ...

    @command
    async def touch(self, book: int) -> None: ...


class Desk(Protocol):
    @query
    async def each(self, books: tuple[int, ...]) -> int: ...

    @query
    async def all(self, books: tuple[int, ...]) -> int: ...

    @saga
    async def order(self, book: int) -> None: ...


class News(Protocol):
    @on(Added)
    async def hear(self, event: Added) -> None: ...


class Shelf(Books):
    def __init__(self, db: Database, events: Events) -> None:
        self.db, self.events = db, events

    async def one(self, book: int) -> str:
        return (await self.db.execute(ONE, {"book": book})).scalar() or ""

    async def one_by_one(self, books: tuple[int, ...]) -> tuple[str, ...]:
        return tuple([(await self.db.execute(ONE, {"book": book})).scalar() or "" for book in books])

    async def at_once(self, books: tuple[int, ...]) -> tuple[str, ...]:
        return tuple((await self.db.execute(ALL, {"books": books})).scalars())

    async def through_itself(self, books: tuple[int, ...]) -> tuple[str, ...]:
        return tuple([await self.one(book) for book in books])

    async def by_author(self, author: str) -> tuple[int, ...]:
        return tuple((await self.db.execute(select(BOOK.c.id).where(BOOK.c.author == author))).scalars())

    async def by_isbn(self, isbn: str) -> tuple[int, ...]:
        return tuple((await self.db.execute(select(BOOK.c.id).where(BOOK.c.isbn == isbn))).scalars())

    async def by_kind(self, kind: str) -> int:
        return (await self.db.execute(select(func.count(BOOK.c.id)).where(BOOK.c.kind == kind))).scalar_one()

    async def containing(self, text: str) -> int:
        found = await self.db.execute(select(func.count()).where(BOOK.c.author.ilike(f"%{text}%")))
        return found.scalar_one()

    async def dreaming(self, seconds: float) -> int:
        await self.db.execute(select(func.pg_sleep(seconds)))
        return 1

    async def add(self, book: int) -> None:
        await self.db.execute(insert(BOOK).values(id=book, author=f"a{book}", isbn=f"i{book}", kind="x"))
        await self.events.publish(Added(book))

    async def touch(self, book: int) -> None:
        await self.db.execute(update(BOOK).where(BOOK.c.id == book).values(kind="y"))


class Counter(Desk):
    def __init__(self, db: Database, books: Books, saga: Saga) -> None:
        self.db, self.books, self.saga = db, books, saga

    async def each(self, books: tuple[int, ...]) -> int:
        return len([await self.books.one(book) for book in books])

    async def all(self, books: tuple[int, ...]) -> int:
        return len(await self.books.at_once(books))

    async def order(self, book: int) -> None:
        await self.saga.step(self.books.add, book)


class Board(News):
    async def hear(self, event: Added) -> None: ...


def pages(desk: Desk) -> Starlette:
    """Pages that ask."""

    async def look(request: Request) -> Response:
        count = await desk.each(tuple(range(int(request.path_params["count"]))))
        return PlainTextResponse(str(count))

    return Starlette(routes=[Route("/look/{count}", look)])


HERE = "tests.lab.kiosk"
kiosk = Application("kiosk", [
    Module("books", Books, f"{HERE}:Shelf", tables=f"{HERE}:metadata"), Module("desk", Desk, f"{HERE}:Counter"),
    Module("news", News, f"{HERE}:Board"), Module("front", asgi=f"{HERE}:pages"),
])
MODULES = ("books", "desk", "news", "front")
WHOLE = Topology("whole", (Service("kiosk", MODULES),))
APART = Topology("apart", tuple(Service(name, (name,)) for name in MODULES))


@asynccontextmanager
async def watched(topology: Topology, base: str, recorder: Recorder) -> AsyncIterator[Running]:
    """It, running and recorded, with a database for each service."""
    databases = {service.name: f"{base}_{service.name}" for service in topology.services}
    for service in topology.services:
        if kept := kiosk.kept(service.modules):
            await migrate(databases[service.name], kept)
    running = Running(kiosk, topology, link="local", databases=databases, environ={}, observer=recorder)
    async with running.opened():
        yield running


def sqlite(folder: Path) -> str:
    """What the URLs of databases begin with."""
    return f"sqlite:///{folder}/kiosk"


async def fill(base: str, service: str, *, rows: int) -> None:
    """Many books: each of an author of its own, and of one of three kinds."""
    connection = await asyncpg.connect(f"{base}_{service}")
    try:
        await connection.execute(
            f"INSERT INTO books.books_book SELECT n, 'a' || n, 'i' || n, 'k' || n % 3 FROM generate_series(1, {rows}) n"
        )
        await connection.execute("ANALYZE books.books_book")
    finally:
        await connection.close()

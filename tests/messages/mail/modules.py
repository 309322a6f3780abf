"""The modules of the tests' mail application: each writes down what it has seen, in the order in which it saw it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select
from sqlalchemy.exc import IntegrityError

from craton import Database, Events, Saga, command
from tests.messages.mail.contracts import Closed, Ignored, Learner, Noticed, Orders, Placed, Seen, Teller


def seen_by(module: str) -> Table:
    """A table in which rows keep their order."""
    return Table(
        f"{module}_seen", MetaData(), Column("id", Integer, primary_key=True), Column("stream", String, nullable=False),
        Column("text", String, nullable=False),
    )


orders, learner, teller = seen_by("orders"), seen_by("learner"), seen_by("teller")
orders_tables, learner_tables, teller_tables = orders.metadata, learner.metadata, teller.metadata
BROKEN: dict[str, set[str]] = {}
"""Orders that a handler breaks at, by the name of the handler."""
SLOW: dict[str, set[str]] = {}
"""The same, where it takes long."""
ASKING: set[str] = set()
"""Orders that the learner asks the other module about."""
CLUMSY: set[str] = set()
"""Orders that the learner writes something twice for, and hides the error."""


class Stuck(Exception):
    """A handler breaks."""


async def stumble(name: str, order: str) -> None:
    """Break, or take long, where a test wants it."""
    if order in SLOW.get(name, ()):
        await asyncio.sleep(60)
    if order in BROKEN.get(name, ()):
        raise Stuck(f"{name} cannot take {order}")


class Book:
    """A table to write down in."""

    def __init__(self, db: Database, table: Table) -> None:
        self.db, self.table = db, table

    async def write(self, stream: str, text: str) -> None:
        """One more line."""
        await self.db.execute(insert(self.table), {"stream": stream, "text": text})

    async def read(self) -> tuple[Seen, ...]:
        """All lines."""
        query = select(self.table.c.stream, self.table.c.text).order_by(self.table.c.id)
        return tuple(Seen(*row) for row in (await self.db.execute(query)).all())


class Desk(Orders):
    def __init__(self, db: Database, events: Events) -> None:
        self.book, self.events = Book(db, orders), events

    async def place(self, order: str, numbers: tuple[int, ...] = (0,)) -> None:
        for number in numbers:
            await self.book.write(order, f"placed {number}")
            await self.events.publish(Placed(order, number))

    async def close(self, order: str, why: str = "") -> None:
        await self.book.write(order, "closed")
        await self.events.publish(Closed(order, why))
        await self.events.publish(Ignored(order))

    async def notice(self, text: str) -> None:
        await self.book.write("", text)
        await self.events.publish(Noticed(text))

    async def fail(self, order: str) -> None:
        await self.events.publish(Placed(order, 99))
        raise Stuck("after it has published")

    async def orders(self) -> tuple[Seen, ...]:
        return await self.book.read()


class Scholar(Learner):
    def __init__(self, db: Database, orders: Orders) -> None:
        self.book, self.desk = Book(db, learner), orders

    async def learn(self, event: Placed) -> None:
        if event.order in ASKING:
            assert Seen(event.order, f"placed {event.number}") in await self.desk.orders()
        await self.book.write(event.order, f"placed {event.number}")
        await stumble("learner.learn", event.order)
        if event.order in CLUMSY:
            with suppress(IntegrityError):
                await self.book.db.execute(insert(learner), [{"id": 1, "stream": "", "text": ""}] * 2)

    async def learned(self) -> tuple[Seen, ...]:
        return await self.book.read()


class Crier(Teller):
    def __init__(self, db: Database, saga: Saga) -> None:
        self.book, self.saga = Book(db, teller), saga

    async def tell(self, event: Placed | Closed) -> None:
        await self.book.write(event.order, f"placed {event.number}" if isinstance(event, Placed) else "closed")
        await stumble("teller.tell", event.order)

    async def hang_out(self, event: Noticed) -> None:
        await self.book.write("", event.text)

    async def file(self, event: Closed) -> None:
        await self.saga.step(self.put, event.order, event.why)

    @command
    async def put(self, order: str, why: str) -> None:
        await self.book.write(f"file {order}", why)

    async def told(self) -> tuple[Seen, ...]:
        return await self.book.read()

"""SQLAlchemy's asyncio engine, on aiosqlite and on asyncpg: one statement, one transaction.

Tuned: statements made once; SQLite in WAL with the same `synchronous=FULL` as ours; reads on an engine of their own in
autocommit, which saves their BEGIN and ROLLBACK. SQLite's pool of 5 (SQLAlchemy's default) was the best of 1, 2, 5 and
16; PostgreSQL's pool has as many connections as ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.shop import tables
from bench.shop.contracts import Sale

AIOSQLITE = f"SQLAlchemy {version('sqlalchemy')} asyncio on aiosqlite {version('aiosqlite')}"
ASYNCPG = f"SQLAlchemy {version('sqlalchemy')} asyncio on asyncpg {version('asyncpg')}"
STATEMENTS = tables.Statements(tables.orders)


class Peer:
    """Orders in a table, by hand."""

    def __init__(self, writing: AsyncEngine, reading: AsyncEngine) -> None:
        self.writing, self.reading = writing, reading

    async def place(self, order: str) -> None:
        """One write, in a transaction."""
        async with self.writing.begin() as connection:
            await connection.execute(STATEMENTS.insert, tables.row(order))

    async def sale(self, order: str) -> Sale:
        """One read."""
        async with self.reading.connect() as connection:
            customer, total = (await connection.execute(STATEMENTS.select, {"wanted": order})).one()
        return Sale(customer, total)

    async def fill(self) -> None:
        """Make the table, and the rows that are there before the first read."""
        async with self.writing.begin() as connection:
            await connection.run_sync(tables.orders_metadata.create_all)
            await connection.execute(STATEMENTS.insert, tables.stored())


def prepare(connection: Any, _: object) -> None:
    """What SQLite must be told on each connection."""
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 30000"):
        connection.execute(f"PRAGMA {pragma}").close()


@asynccontextmanager
async def engines(url: str, **writing: Any) -> AsyncIterator[Peer]:
    """An engine for transactions, and one for reads."""
    options: dict[str, Any] = {"pool_size": writing.pop("pool_size"), "max_overflow": 0, "pool_timeout": 60}
    writer = create_async_engine(url, **options, **writing)
    reader = create_async_engine(url, **options, isolation_level="AUTOCOMMIT", pool_reset_on_return=None)
    if url.startswith("sqlite"):
        event.listen(writer.sync_engine, "connect", prepare)
        event.listen(reader.sync_engine, "connect", prepare)
    try:
        peer = Peer(writer, reader)
        await peer.fill()
        yield peer
    finally:
        await writer.dispose()
        await reader.dispose()

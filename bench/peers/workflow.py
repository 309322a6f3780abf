"""A DBOS workflow of four steps, each with one write, on SQLite.

Tuned: both databases in WAL (DBOS leaves SQLite's rollback journal, which took 1.7 times as long), and no log. Each
step writes through SQLAlchemy on aiosqlite; DBOS's own datasource, which commits a step with its record, took twice as
long. Sizes of its pool from 1 to 20 made no difference. In a process of its own, as DBOS takes over the loop's threads.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from dbos import DBOS

from bench.harness import answering
from bench.ours import order
from bench.peers.database import AIOSQLITE, STATEMENTS, Peer, engines
from bench.shop import tables

SETTINGS = f"DBOS {version('dbos')} workflow of 4 steps, {AIOSQLITE}"
Buy = Callable[[str], Coroutine[None, None, None]]


def workflow(peer: Peer) -> Buy:
    """The same four writes as our saga's."""
    stock, payments = tables.Statements(tables.stock), tables.Statements(tables.payments)

    @DBOS.step()
    async def place(order: str) -> None:
        await peer.place(order)

    @DBOS.step()
    async def reserve(order: str) -> None:
        async with peer.writing.begin() as connection:
            await connection.execute(stock.insert, tables.row(order))

    @DBOS.step()
    async def charge(order: str) -> None:
        async with peer.writing.begin() as connection:
            await connection.execute(payments.insert, tables.row(order))

    @DBOS.step()
    async def confirm(order: str) -> None:
        async with peer.writing.begin() as connection:
            await connection.execute(STATEMENTS.update, {"wanted": order, "total": 2999})

    @DBOS.workflow()
    async def buy(order: str) -> None:
        await place(order)
        await reserve(order)
        await charge(order)
        await confirm(order)

    return buy


@asynccontextmanager
async def dbos(folder: Path) -> AsyncIterator[None]:
    """DBOS, running."""
    with closing(sqlite3.connect(folder / "dbos.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # kept in the file
    url = f"sqlite:///{folder / 'dbos.db'}"
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})
    DBOS.launch()
    try:
        yield
    finally:
        DBOS.destroy(destroy_registry=True)


@asynccontextmanager
async def shop() -> AsyncIterator[Buy]:
    """The workflow, and its databases."""
    with TemporaryDirectory(prefix="craton-bench-") as name:
        folder = Path(name)
        async with engines(f"sqlite+aiosqlite:///{folder / 'peer.db'}", pool_size=5) as peer:
            async with peer.writing.begin() as connection:
                await connection.run_sync(tables.stock_metadata.create_all)
                await connection.run_sync(tables.payments_metadata.create_all)
            buy = workflow(peer)
            async with dbos(folder):
                yield buy


async def measure(concurrency: int) -> None:
    """For each number of seconds on standard input, a figure on standard output."""
    async with shop() as buy:
        await answering(lambda: buy(order()), concurrency=concurrency)


if __name__ == "__main__":
    import uvloop

    uvloop.run(measure(int(sys.argv[1])))

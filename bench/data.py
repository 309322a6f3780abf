"""Commands and queries: ours beside SQLAlchemy's asyncio engine, on the same database with the same durability."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from bench import postgresql
from bench.harness import Benchmark, Measure, Side, latency, throughput
from bench.ours import CRATON, calls_of_a_user, keyed, order
from bench.peers import database
from bench.shop import tables
from bench.shop.application import shop
from bench.shop.contracts import Orders, Sale
from craton.testing.start import start

POSTGRESQL = f"PostgreSQL {postgresql.version()} ({postgresql.DURABILITY}), 10 connections"
SQLITE = f"SQLite {sqlite3.sqlite_version} (WAL, synchronous=FULL)"


class Books(Protocol):
    """What both sides can do."""

    async def place(self, order: str) -> None:
        """One write, durable when it returns."""
        ...

    async def sale(self, order: str) -> Sale:
        """One read."""
        ...


class Selling(Books, Protocol):
    """What ours can do besides."""

    async def sell(self, order: str) -> None:
        """One write and one event; with an inbox row where it is called under a key."""
        ...


Opening = Callable[[], AbstractAsyncContextManager[Books]]


@asynccontextmanager
async def ours_on(url: str | None) -> AsyncIterator[Selling]:
    """Our application as a monolith."""
    async with start(shop, database=url) as running:
        with calls_of_a_user():
            books = running.get(Orders)
            await asyncio.gather(*(books.place(row["id"]) for row in tables.stored()))
            yield books


@asynccontextmanager
async def ours_on_postgresql() -> AsyncIterator[Books]:
    """Our application as a monolith, on a server of its own."""
    async with postgresql.server("ours") as url, ours_on(f"{url}/ours") as books:
        yield books


@asynccontextmanager
async def peer_on_sqlite() -> AsyncIterator[Books]:
    """SQLAlchemy on a file of its own."""
    with TemporaryDirectory(prefix="craton-bench-") as folder:
        async with database.engines(f"sqlite+aiosqlite:///{Path(folder) / 'peer.db'}", pool_size=5) as books:
            yield books


@asynccontextmanager
async def peer_on_postgresql(isolation: str) -> AsyncIterator[Books]:
    """SQLAlchemy on a server of its own, with as many connections as ours."""
    async with postgresql.server("peer") as url:
        asyncpg = f"{url}/peer".replace("postgresql:", "postgresql+asyncpg:")
        async with database.engines(asyncpg, pool_size=10, isolation_level=isolation) as books:
            yield books


@asynccontextmanager
async def writes(opening: Opening, *, concurrency: int, key: bool = False) -> AsyncIterator[Measure]:
    """Commands per second of many callers, or the median wait of one."""
    async with opening() as books:

        async def call() -> None:
            if key:
                with keyed():
                    await books.place(order())
            else:
                await books.place(order())

        if concurrency == 1:
            yield lambda seconds: latency(call, seconds=seconds)
        else:
            yield lambda seconds: throughput(call, concurrency=concurrency, seconds=seconds)


@asynccontextmanager
async def sales(*, concurrency: int) -> AsyncIterator[Measure]:
    """Our commands with one write, one event and one inbox row, on SQLite, per second."""
    async with ours_on(None) as books:

        async def call() -> None:
            with keyed():
                await books.sell(order())

        yield lambda seconds: throughput(call, concurrency=concurrency, seconds=seconds)


@asynccontextmanager
async def reads(opening: Opening, *, concurrency: int) -> AsyncIterator[Measure]:
    """Queries per second of many callers, or the median wait of one."""
    async with opening() as books:
        orders = cycle([row["id"] for row in tables.stored()])

        async def call() -> Sale:
            return await books.sale(next(orders))

        if concurrency == 1:
            yield lambda seconds: latency(call, seconds=seconds)
        else:
            yield lambda seconds: throughput(call, concurrency=concurrency, seconds=seconds)


def benchmark(what: str, ours: Side, peer: Side, *, concurrency: int) -> Benchmark:
    """The wait of one caller, or the throughput of many."""
    return Benchmark(
        name=f"{what}, {concurrency} at once", unit="µs" if concurrency == 1 else "calls/s",
        better="lower" if concurrency == 1 else "higher", ours=ours, peer=peer,
    )


def pair(where: str, ours: tuple[str, Opening], peer: tuple[str, Opening], *, concurrency: int) -> list[Benchmark]:
    """A command with and without a key, and a query."""
    ours_is, ours_opens = ours
    peer_is, peer_opens = peer
    written = Side(peer_is, partial(writes, peer_opens, concurrency=concurrency))
    return [
        benchmark(
            f"command with one write on {where}", Side(ours_is, partial(writes, ours_opens, concurrency=concurrency)),
            written, concurrency=concurrency,
        ),
        benchmark(
            f"command under a key on {where}, beside a write that may run twice",
            Side(f"{ours_is}, with its inbox row", partial(writes, ours_opens, concurrency=concurrency, key=True)),
            written, concurrency=concurrency,
        ),
        benchmark(
            f"query of one row on {where}", Side(ours_is, partial(reads, ours_opens, concurrency=concurrency)),
            Side(peer_is, partial(reads, peer_opens, concurrency=concurrency)), concurrency=concurrency,
        ),
    ]


def loose(ours: tuple[str, Opening], *, concurrency: int) -> Benchmark:
    """Our command, beside a write with less isolation than ours."""
    peer_is = f"{database.ASYNCPG}, READ COMMITTED as PostgreSQL's default is, {POSTGRESQL}"
    return benchmark(
        "command with one write on PostgreSQL, beside READ COMMITTED",
        Side(ours[0], partial(writes, ours[1], concurrency=concurrency)),
        Side(peer_is, partial(writes, partial(peer_on_postgresql, "READ COMMITTED"), concurrency=concurrency)),
        concurrency=concurrency,
    )


def beside(what: str, peer: tuple[str, Opening], *, goal: float) -> Benchmark:
    """Our command with its event and its inbox row, beside a write with neither."""
    return Benchmark(
        name=f"command with its event and its inbox row on SQLite, beside {what}, 64 at once", unit="calls/s",
        better="higher", goal=goal,
        ours=Side(f"{ON_SQLITE[0]}, one write, one event, one inbox row", partial(sales, concurrency=64)),
        peer=Side(f"{peer[0]}, one write", partial(writes, peer[1], concurrency=64)),
    )


CORE = f"{CRATON}, SQLAlchemy {version('sqlalchemy')}"
ON_SQLITE = (f"{CORE}, {SQLITE}", partial(ours_on, None))
PEER_ON_SQLITE = (f"{database.AIOSQLITE}, {SQLITE}", peer_on_sqlite)
ON_POSTGRESQL = (f"{CORE}, asyncpg {version('asyncpg')}, SERIALIZABLE, {POSTGRESQL}", ours_on_postgresql)
PEER_ON_POSTGRESQL = (f"{database.ASYNCPG}, SERIALIZABLE, {POSTGRESQL}", partial(peer_on_postgresql, "SERIALIZABLE"))
BENCHMARKS = [
    beside("the same without them", ON_SQLITE, goal=0.5),
    beside("SQLAlchemy's write", PEER_ON_SQLITE, goal=12),
]
BENCHMARKS += [
    found for concurrency in (1, 64) for found in (
        *pair("SQLite", ON_SQLITE, PEER_ON_SQLITE, concurrency=concurrency),
        *pair("PostgreSQL", ON_POSTGRESQL, PEER_ON_POSTGRESQL, concurrency=concurrency),
        loose(ON_POSTGRESQL, concurrency=concurrency),
    )
]

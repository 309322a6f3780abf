"""Commands over HTTP: our edge beside FastAPI, each in a process of its own, asked by a third one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import postgresql
from bench.data import POSTGRESQL, SQLITE
from bench.harness import Benchmark, Measure, Side
from bench.ours import CRATON
from bench.peers import database, site, site_plain
from bench.processes import measuring, server, spent
from craton.run.folder import free_port

Place = Callable[[], AbstractAsyncContextManager[str]]
"""Opens a database, and gives its URL."""


@asynccontextmanager
async def file(scheme: str) -> AsyncIterator[str]:
    """An SQLite file."""
    with TemporaryDirectory(prefix="craton-bench-") as folder:
        yield f"{scheme}:///{Path(folder) / 'shop.db'}"


@asynccontextmanager
async def nothing() -> AsyncIterator[str]:
    """For what is kept in memory: a file that is not asked."""
    async with file("sqlite") as url:
        yield url


@asynccontextmanager
async def database_of_a_server(scheme: str) -> AsyncIterator[str]:
    """A database on a PostgreSQL server of its own."""
    async with postgresql.server("shop") as url:
        yield f"{url}/shop".replace("postgresql:", f"{scheme}:")


@asynccontextmanager
async def asked(
    place: Place, program: tuple[str, ...], *, concurrency: int, what: str = "sale"
) -> AsyncIterator[Measure]:
    """A server with a database, and what asks it over HTTP."""
    address = f"127.0.0.1:{free_port()}"
    async with place() as url, server(address, *(part.format(address=address, url=url) for part in program)):
        async with measuring("bench.load", address, str(concurrency), what) as measure:
            yield measure


def sale(
    peer: str, ours: tuple[str, Place], theirs: tuple[str, Place], *, concurrency: int, events: bool, goal: float | None
) -> Benchmark:
    """Orders that are sold over HTTP."""
    what = "with its outbox row by hand" if events else "with neither outbox nor inbox"
    program = ("bench.peers.site", "{address}", "{url}", "events" if events else "write")
    return Benchmark(
        name=f"command with its event and its inbox row over HTTP, beside {peer} {what}, {concurrency} at once",
        unit="µs" if concurrency == 1 else "calls/s", better="lower" if concurrency == 1 else "higher", goal=goal,
        ours=Side(ours[0], partial(asked, ours[1], OURS, concurrency=concurrency)),
        peer=Side(theirs[0], partial(asked, theirs[1], program, concurrency=concurrency)),
    )


@asynccontextmanager
async def a_core(program: tuple[str, ...], verb: str) -> AsyncIterator[Measure]:
    """Requests a second of the server's processor time: what one core that does nothing else would answer."""
    async with asked(nothing, program, concurrency=64, what=verb) as ask:

        async def measure(seconds: float) -> float:
            before = spent()
            rate = await ask(seconds)
            return rate * seconds / (spent() - before)

        yield measure


def answered(verb: str, what: str, peer: str, *, goal: float) -> Benchmark:
    """Requests that need no database: what the way through the edge itself costs, with all that it does besides."""
    return Benchmark(
        name=f"{verb.upper()} of {what}, beside {peer}, 64 at once, one core", unit="requests/s", better="higher",
        goal=goal, ours=Side(f"{SERVER}: request ids, security headers, rates", partial(a_core, OURS, verb)),
        peer=Side(site_plain.SETTINGS[peer], partial(a_core, ("bench.peers.site_plain", peer, "{address}"), verb)),
    )


OURS = ("bench.services", "edge", "{address}", "{url}")
SERVER = f"{CRATON} on uvicorn {version('uvicorn')} (uvloop, httptools)"
ON_SQLITE = (f"{SERVER}, {SQLITE}", partial(file, "sqlite"))
PEER_ON_SQLITE = (f"{site.SITE}, {database.AIOSQLITE}, {SQLITE}", partial(file, "sqlite+aiosqlite"))
ON_POSTGRESQL = (f"{SERVER}, SERIALIZABLE, {POSTGRESQL}", partial(database_of_a_server, "postgresql"))
PEER_ON_POSTGRESQL = (
    f"{site.SITE}, {database.ASYNCPG}, READ COMMITTED, {POSTGRESQL}",
    partial(database_of_a_server, "postgresql+asyncpg"),
)
BENCHMARKS = [
    *(answered("get", "one product of 8 fields", peer, goal=goal) for peer, goal in site_plain.GOALS.items()),
    *(answered("post", "a basket of 3 lines", peer, goal=goal) for peer, goal in site_plain.GOALS.items()),
    sale("FastAPI on SQLite", ON_SQLITE, PEER_ON_SQLITE, concurrency=64, events=False, goal=5),
    sale("FastAPI on PostgreSQL", ON_POSTGRESQL, PEER_ON_POSTGRESQL, concurrency=64, events=True, goal=2),
    sale("FastAPI on PostgreSQL", ON_POSTGRESQL, PEER_ON_POSTGRESQL, concurrency=1, events=True, goal=None),
]

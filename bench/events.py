"""Events from one service to another, each a process with a database of its own, beside an outbox made by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import postgresql
from bench.data import POSTGRESQL
from bench.harness import Benchmark, Measure, Side
from bench.ours import CRATON
from bench.peers import outbox
from bench.processes import measuring, telling
from bench.tally import VARIABLE, Tally
from tests import rabbitmq


@asynccontextmanager
async def broker() -> AsyncIterator[str]:
    """The URL of a RabbitMQ server of its own."""
    server = rabbitmq.Server()
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@asynccontextmanager
async def no_broker() -> AsyncIterator[str]:
    """None: straight from service to service."""
    yield ""


@asynccontextmanager
async def places() -> AsyncIterator[tuple[Path, str]]:
    """A folder with a tally, and the URL of a server with two databases."""
    with TemporaryDirectory(prefix="craton-bench-") as name:
        Tally.make(Path(name) / "tally")
        async with postgresql.server("orders", "audience") as url:
            yield Path(name), url


@asynccontextmanager
async def ours(*, concurrency: int, by_broker: bool) -> AsyncIterator[Measure]:
    """Our two services."""
    async with places() as (folder, url), (broker if by_broker else no_broker)() as amqp:
        counted = {VARIABLE: str(folder / "tally")}
        listening = ("bench.services", "one", "audience", str(folder), f"{url}/audience", amqp)
        publishing = ("bench.publishing", "ours", str(concurrency), str(folder), f"{url}/orders", amqp)
        async with telling(*listening, **counted), measuring(*publishing, **counted) as measure:
            yield measure


@asynccontextmanager
async def peer(*, concurrency: int) -> AsyncIterator[Measure]:
    """The peer's two services."""
    async with places() as (folder, url), broker() as amqp:
        server, counted = url.replace("postgresql:", "postgresql+asyncpg:"), {VARIABLE: str(folder / "tally")}
        publishing = ("bench.publishing", "peer", str(concurrency), f"{server}/orders", amqp)
        listening = ("bench.peers.outbox", f"{server}/audience", amqp)
        async with telling(*listening, **counted), measuring(*publishing, **counted) as measure:
            yield measure


def benchmark(way: str, *, concurrency: int, by_broker: bool) -> Benchmark:
    """The wait of one event, or the flow of many."""
    what = "event, publish to applied" if concurrency == 1 else f"events, {concurrency} publishers at once"
    return Benchmark(
        name=f"{what}, {way}", unit="µs" if concurrency == 1 else "events/s",
        better="lower" if concurrency == 1 else "higher", goal=2 if concurrency == 1 else 3,
        ours=Side(
            f"{CRATON}, {way}, ordered by key, SERIALIZABLE, {POSTGRESQL}",
            partial(ours, concurrency=concurrency, by_broker=by_broker),
        ),
        peer=Side(f"{outbox.SETTINGS}, {RABBITMQ}, {POSTGRESQL}", partial(peer, concurrency=concurrency)),
    )


RABBITMQ = "RabbitMQ with a quorum queue"
WAYS = {"straight to the other service": False, f"over RabbitMQ with aiormq {version('aiormq')}": True}
BENCHMARKS = [
    benchmark(way, concurrency=concurrency, by_broker=by_broker)
    for way, by_broker in WAYS.items() for concurrency in (1, 64)
]

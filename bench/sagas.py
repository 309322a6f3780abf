"""A saga of four steps, each with one write, beside a durable workflow that writes the same: in one process, and over
four other services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from tempfile import TemporaryDirectory

from bench import postgresql
from bench.data import POSTGRESQL, SQLITE
from bench.harness import Benchmark, Measure, Side, latency, throughput
from bench.ours import CRATON, keyed, order
from bench.peers import steps, workflow
from bench.processes import measuring, server
from bench.shop.application import shop
from bench.shop.contracts import Orders
from craton.testing.start import start

PEER_AT_ONCE = 8
"""How many workflows DBOS runs at once: more made it slower."""


@asynccontextmanager
async def ours(topology: str, *, concurrency: int) -> AsyncIterator[Measure]:
    """Our saga under a key, in one process."""
    async with start(shop, topology=topology) as running:
        orders = running.get(Orders)

        async def buy() -> None:
            with keyed():
                await orders.buy(order())

        if concurrency == 1:
            yield lambda seconds: latency(buy, seconds=seconds)
        else:
            yield lambda seconds: throughput(buy, concurrency=concurrency, seconds=seconds)


@asynccontextmanager
async def across(measured: tuple[str, ...], service: tuple[str, ...], *, scheme: str) -> AsyncIterator[Measure]:
    """Four services on the second core, each with a database on one server, and what runs sagas over them."""
    async with postgresql.server("orders", *FOUR) as url, AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="craton-bench-"))
        fill = {"folder": folder, "url": url.replace("postgresql:", f"{scheme}:")}
        for name in FOUR:
            command = [part.format(name=name, **fill) for part in service]
            await stack.enter_async_context(server(f"{folder}/{name}", *command))
        fill["url"] = url
        yield await stack.enter_async_context(measuring(*(part.format(**fill) for part in measured)))


def over_services(*, concurrency: int, goal: float | None) -> Benchmark:
    """A saga over four services, beside a workflow that calls four services."""
    at_once = str(min(concurrency, PEER_AT_ONCE))
    ours_served = ("bench.services", "one", "{name}", "{folder}", "{url}/{name}")
    ours_measured = ("bench.services", "sagas", "{folder}", "{url}/orders", str(concurrency))
    peer_served = ("bench.peers.steps", "service", "{name}", "{folder}", "{url}/{name}")
    peer_measured = ("bench.peers.steps", "workflow", "{folder}", "{url}/orders", at_once)
    return Benchmark(
        name=f"saga of 4 steps over 4 services on PostgreSQL, {concurrency} at once",
        unit="µs" if concurrency == 1 else "sagas/s", better="lower" if concurrency == 1 else "higher", goal=goal,
        ours=Side(
            f"{CRATON}, under a key, journaled, rpc over Unix sockets, SERIALIZABLE, {POSTGRESQL}",
            partial(across, ours_measured, ours_served, scheme="postgresql"),
        ),
        peer=Side(
            f"{steps.SETTINGS}, {at_once} at once, {POSTGRESQL}",
            partial(across, peer_measured, peer_served, scheme="postgresql+asyncpg"),
        ),
    )


def benchmark(topology: str, what: str, *, concurrency: int, goal: float | None) -> Benchmark:
    """The same saga in a structure, beside the same workflow."""
    at_once = min(concurrency, PEER_AT_ONCE)
    return Benchmark(
        name=f"saga of 4 steps, {topology}, {concurrency} at once", unit="µs" if concurrency == 1 else "sagas/s",
        better="lower" if concurrency == 1 else "higher", goal=goal,
        ours=Side(f"{CRATON}, {what}, {SQLITE}", partial(ours, topology, concurrency=concurrency)),
        peer=Side(
            f"{workflow.SETTINGS}, {at_once} at once, {SQLITE}",
            partial(measuring, "bench.peers.workflow", str(at_once)),
        ),
    )


STRUCTURES = {
    "monolith": "under a key, merged: one transaction, no journal",
    "microservices": "under a key, journaled: a database per module, calls through the codec, all in one process",
}
FOUR = tuple(steps.TABLES)
GOALS = {("monolith", 64): 15.0}
BENCHMARKS = [
    *(
        benchmark(name, what, concurrency=n, goal=GOALS.get((name, n)))
        for name, what in STRUCTURES.items() for n in (1, 64)
    ),
    over_services(concurrency=1, goal=None),
    over_services(concurrency=64, goal=2.5),
]

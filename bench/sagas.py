"""A saga of four steps in three modules, each with one write, beside a durable workflow that writes the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from bench.data import SQLITE
from bench.harness import Benchmark, Measure, Side, latency, throughput
from bench.ours import CRATON, keyed, order
from bench.peers import workflow
from bench.processes import measuring
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


def benchmark(topology: str, what: str, *, concurrency: int) -> Benchmark:
    """The same saga in a structure, beside the same workflow."""
    at_once = min(concurrency, PEER_AT_ONCE)
    return Benchmark(
        name=f"saga of 4 steps, {topology}, {concurrency} at once", unit="µs" if concurrency == 1 else "sagas/s",
        better="lower" if concurrency == 1 else "higher",
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
BENCHMARKS = [benchmark(name, what, concurrency=n) for name, what in STRUCTURES.items() for n in (1, 64)]

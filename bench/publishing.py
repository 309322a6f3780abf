"""The publishing process of the benchmarks of events: ours or the peer's, asked for figures on standard input."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from statistics import median
from uuid import uuid4

from bench.harness import throughput
from bench.processes import pin
from bench.tally import VARIABLE, Tally

Publish = Callable[[str, int], Awaitable[None]]
"""Publishes an event of an order, told at such a time."""
LONGEST = 60.0
"""Seconds after which what has not arrived is missed."""


async def arrived(tally: Tally, count: int) -> None:
    """Wait until so many were applied."""
    until = time.monotonic() + LONGEST
    while tally.count < count:
        if time.monotonic() > until:
            raise TimeoutError(f"{count - tally.count} events have not arrived")
        await asyncio.sleep(0.0002)


async def waits(publish: Publish, tally: Tally, seconds: float) -> float:
    """The median time from telling to applied, of one event after the other, in microseconds."""
    before, until = tally.count, time.monotonic() + seconds
    while time.monotonic() < until:
        count = tally.count
        await publish(uuid4().hex, time.monotonic_ns())
        await arrived(tally, count + 1)
    return median(tally.since(before)) / 1000


async def flow(publish: Publish, tally: Tally, seconds: float, *, concurrency: int) -> float:
    """Events per second, from the first that is published to the last that is applied."""
    before, start, published = tally.count, time.monotonic(), 0

    async def call() -> None:
        nonlocal published
        await publish(uuid4().hex, time.monotonic_ns())
        published += 1

    await throughput(call, concurrency=concurrency, seconds=seconds)
    await arrived(tally, before + published)
    return published / (time.monotonic() - start)


@asynccontextmanager
async def ours(folder: str, url: str, broker: str) -> AsyncIterator[Publish]:
    """Our orders in this process."""
    from bench.ours import calls_of_a_user
    from bench.services import service
    from bench.shop.contracts import Orders

    async with service("orders", folder, url, broker) as process:
        orders = process.get(Orders)
        with calls_of_a_user():
            yield orders.dispatch


@asynccontextmanager
async def peer(url: str, broker: str) -> AsyncIterator[Publish]:
    """The peer's orders in this process."""
    from bench.peers.outbox import orders

    async with orders(url, broker) as publish:
        yield publish


async def main(opening: AbstractAsyncContextManager[Publish], concurrency: int) -> None:
    """For each number of seconds on standard input, a figure on standard output."""
    tally = Tally(os.environ[VARIABLE])
    async with opening as publish:
        await publish(uuid4().hex, time.monotonic_ns())
        await arrived(tally, 1)
        while line := await asyncio.to_thread(sys.stdin.readline):
            if concurrency == 1:
                print(await waits(publish, tally, float(line)), flush=True)
            else:
                print(await flow(publish, tally, float(line), concurrency=concurrency), flush=True)


if __name__ == "__main__":
    import uvloop

    pin(0, 0)
    sides: dict[str, Callable[..., AbstractAsyncContextManager[Publish]]] = {"ours": ours, "peer": peer}
    uvloop.run(main(sides[sys.argv[1]](*sys.argv[3:]), int(sys.argv[2])))

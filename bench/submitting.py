"""The submitting process of the benchmarks of tasks: ours or a peer's, asked for figures on standard input."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from statistics import median
from typing import Any

from bench.harness import load
from bench.processes import pin
from bench.publishing import arrived
from bench.tally import VARIABLE, Tally

REST = 0.01
"""Seconds after which all have put down what they did for the job before, and nobody has anything to do."""
PEERS = ("celery", "dramatiq", "taskiq", "procrastinate", "dbos")


@dataclass(frozen=True)
class Submitter:
    """What submits: `one` job, told at such a time; `many`, for so many seconds, which answers with how many it was."""

    one: Callable[[int], Awaitable[object]]
    many: Callable[[float], Awaitable[int]]


Opening = Callable[..., AbstractAsyncContextManager[Submitter]]


def by_tasks(submit: Callable[[int], Awaitable[object]], concurrency: int) -> Submitter:
    """For libraries of asyncio: so many callers at once."""
    return Submitter(
        submit, lambda s: load(lambda: submit(time.monotonic_ns()), concurrency=concurrency, seconds=s)
    )


@contextmanager
def by_threads(submit: Callable[[int], object], count: int) -> Iterator[Submitter]:
    """For libraries that block: so many threads, which live as long as this, since connections belong to them."""

    def turn(seconds: float) -> int:
        done, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            submit(time.monotonic_ns())
            done += 1
        return done

    with ThreadPoolExecutor(count) as threads:
        running = asyncio.get_running_loop().run_in_executor

        async def many(seconds: float) -> int:
            return sum(await asyncio.gather(*(running(threads, turn, seconds) for _ in range(count))))

        yield Submitter(lambda at: running(threads, submit, at), many)


async def wait(submitter: Submitter, tally: Tally, seconds: float) -> float:
    """The median time from submitting to the first line of the job, one after the other, in microseconds."""
    before, until = tally.count, time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(REST)
        count = tally.count
        await submitter.one(time.monotonic_ns())
        await arrived(tally, count + 1)
    return median(tally.since(before)) / 1000


async def flow(submitter: Submitter, tally: Tally, seconds: float) -> float:
    """Jobs per second, from the first that is submitted to the last that has run."""
    before, start = tally.count, time.monotonic()
    await arrived(tally, before + await submitter.many(seconds))
    return (tally.count - before) / (time.monotonic() - start)


@asynccontextmanager
async def ready(opening: AbstractAsyncContextManager[Submitter], tally: Tally) -> AsyncIterator[Submitter]:
    """A submitter whose first job has run."""
    async with opening as submitter:
        await submitter.one(time.monotonic_ns())
        await arrived(tally, 1)
        yield submitter


async def main(opening: AbstractAsyncContextManager[Submitter], *, idle: bool) -> None:
    """For each number of seconds on standard input, a figure on standard output."""
    tally = Tally(os.environ[VARIABLE])
    async with ready(opening, tally) as submitter:
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(await (wait if idle else flow)(submitter, tally, float(line)), flush=True)


def side(name: str) -> Any:
    """The module of ours or of a peer; its `submitting` opens a submitter."""
    return import_module(f"bench.peers.{name}" if name in PEERS else "bench.jobs")


if __name__ == "__main__":
    import uvloop

    name, how, *arguments = sys.argv[1:]
    pin(0, 0)
    uvloop.run(main(side(name).submitting(*arguments), idle=how == "idle"))

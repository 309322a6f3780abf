"""How two sides are compared: both open, measured in turn, round after round, and only then divided."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from statistics import median
from typing import Literal

import msgspec

Measure = Callable[[float], Awaitable[float]]
"""Measures for about so many seconds, and answers with a figure in the benchmark's unit."""


@dataclass(frozen=True)
class Side:
    """One side: versions and settings that matter, and what opens it."""

    settings: str
    open: Callable[[], AbstractAsyncContextManager[Measure]]


@dataclass(frozen=True)
class Benchmark:
    """One comparison. `goal` is in the unit of the ratio: how many times better ours must be."""

    name: str
    unit: str
    better: Literal["lower", "higher"]
    ours: Side
    peer: Side
    goal: float | None = None


class Settings(msgspec.Struct, frozen=True):
    """What the two sides were."""

    ours: str
    peer: str


class Result(msgspec.Struct, frozen=True):
    """Medians of both sides, and how many times better ours is: the median over the rounds, the lowest, the highest."""

    name: str
    ours: float
    peer: float
    unit: str
    ratio: float
    low: float
    high: float
    goal: float | None
    better: str
    rounds: int
    settings: Settings


def times_better(benchmark: Benchmark, ours: float, peer: float) -> float:
    """How many times better ours is."""
    return ours / peer if benchmark.better == "higher" else peer / ours


def result_of(benchmark: Benchmark, rounds: list[tuple[float, float]]) -> Result:
    """What the rounds say. Each round's figures are divided by each other, since what slows a machine slows both."""
    ratios = [times_better(benchmark, ours, peer) for ours, peer in rounds]
    return Result(
        name=benchmark.name, ours=median(o for o, _ in rounds), peer=median(p for _, p in rounds), unit=benchmark.unit,
        ratio=median(ratios), low=min(ratios), high=max(ratios), goal=benchmark.goal, better=benchmark.better,
        rounds=len(rounds), settings=Settings(benchmark.ours.settings, benchmark.peer.settings),
    )


async def measured(measure: Measure, seconds: float) -> float:
    """One figure, without the other side's garbage."""
    gc.collect()
    return await measure(seconds)


async def one_round(ours: Measure, peer: Measure, *, seconds: float, peer_first: bool) -> tuple[float, float]:
    """A figure of each side; who goes first changes from round to round."""
    if peer_first:
        second = await measured(peer, seconds)
        return await measured(ours, seconds), second
    first = await measured(ours, seconds)
    return first, await measured(peer, seconds)


async def compare(benchmark: Benchmark, *, rounds: int, seconds: float) -> Result:
    """Open both sides, warm both up, and measure them in turn."""
    async with benchmark.ours.open() as ours, benchmark.peer.open() as peer:
        await one_round(ours, peer, seconds=seconds / 2, peer_first=False)
        figures = [await one_round(ours, peer, seconds=seconds, peer_first=i % 2 == 1) for i in range(rounds)]
    return result_of(benchmark, figures)


async def throughput(call: Callable[[], Awaitable[object]], *, concurrency: int, seconds: float) -> float:
    """Calls per second, by so many callers that each wait for their answer before they call again."""
    start = time.perf_counter()
    done = await load(call, concurrency=concurrency, seconds=seconds)
    return done / (time.perf_counter() - start)


async def work(
    call: Callable[[], Awaitable[object]], spent: Callable[[], float], *, concurrency: int, seconds: float
) -> float:
    """The processor time of one call, in microseconds: that of all processes which have a part in it."""
    start = spent()
    done = await load(call, concurrency=concurrency, seconds=seconds)
    return (spent() - start) / done * 1e6


async def load(call: Callable[[], Awaitable[object]], *, concurrency: int, seconds: float) -> int:
    """How many calls so many callers make, one after the other each."""
    done, stop = 0, time.perf_counter() + seconds

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < stop:
            await call()
            done += 1

    async with asyncio.TaskGroup() as callers:  # one that fails ends the others, and the benchmark
        for _ in range(concurrency):
            callers.create_task(caller())
    return done


async def answering(call: Callable[[], Awaitable[object]], *, concurrency: int) -> None:
    """For each number of seconds on standard input, a figure on standard output: see `bench.processes.measuring`."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        if concurrency == 1:
            print(await latency(call, seconds=float(line)), flush=True)
        else:
            print(await throughput(call, concurrency=concurrency, seconds=float(line)), flush=True)


async def latency(call: Callable[[], Awaitable[object]], *, seconds: float) -> float:
    """The median of calls one after the other, in microseconds."""
    taken, stop = [], time.perf_counter() + seconds
    while (start := time.perf_counter()) < stop:
        await call()
        taken.append(time.perf_counter() - start)
    return median(taken) * 1e6


async def cost(call: Callable[[], Awaitable[object]], *, seconds: float, batch: int = 1000) -> float:
    """What one call takes where reading the clock would take longer: the median batch, in nanoseconds a call."""
    taken, stop = [], time.perf_counter() + seconds
    while (start := time.perf_counter()) < stop:
        for _ in range(batch):
            await call()
        taken.append(time.perf_counter() - start)
    return median(taken) / batch * 1e9


def paragraph(result: Result) -> str:
    """One result: the comparison in one line, the sides in two."""
    reached = "reached" if result.goal is None or result.ratio >= result.goal else "MISSED"
    goal = "" if result.goal is None else f", goal {result.goal:g} {reached}"
    return (
        f"{result.name}\n"
        f"  {result.ratio:.2f} times {'better' if result.ratio >= 1 else 'as good: ours loses'}"
        f", {result.low:.2f} to {result.high:.2f} over {result.rounds} rounds{goal}\n"
        f"  ours {figure(result.ours)} {result.unit:10s} {result.settings.ours}\n"
        f"  peer {figure(result.peer)} {result.unit:10s} {result.settings.peer}"
    )


def figure(value: float) -> str:
    """A figure of three or more digits."""
    return f"{value:10,.0f}" if value >= 100 else f"{value:10.3g}"

"""Capacity: the highest rate at which a side keeps the objective, found by a coarse rise and then by bisection."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, sqrt

from craton.errors import CratonError
from craton.lab.compare.driver import Driver
from craton.lab.compare.results import Capacity, Estimate, Step
from craton.lab.load.figures import Load

LEAST = 0.5
"""Actions per second under which nothing is sought: a side that cannot do that has no capacity."""
REST = 1.0
"""Seconds of each look whether a side has come to rest."""


class Restless(CratonError):
    """A side does not come to rest after it had too much to do; the message says after what."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How the highest rate is sought. A rate is kept when `percentile` of its actions are done within `objective`
    seconds, and at most the share `failures` fails. `first` is tried first; from then on it doubles, and where the
    first broken rate is found the interval is halved until its ends are no more than `precision` apart.

    `seconds` of each step must be many times the objective: a rate over the capacity breaks the objective only once
    its queue has grown, so that a step of T seconds can find up to objective / T too much. After a broken step a side
    has `patience` seconds to come to rest.
    """

    objective: float = 0.1
    percentile: str = "p95"
    failures: float = 0.01
    first: float = 16.0
    most: float = 20_000.0
    precision: float = 0.05
    seconds: float = 4.0
    warmup: float = 1.0
    patience: float = 30.0
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one search found: the highest rate kept, all steps in the order in which they were tried, the processors
    busy at that rate, and how late the generator itself was there (seconds, 99th percentile)."""

    rate: float
    steps: tuple[Step, ...]
    cores: float
    lag: float


@dataclass
class Climb:
    """One search. `cpu` tells the processor seconds that the side has used by now."""

    driver: Driver
    search: Search
    cpu: Callable[[], float]
    kept: float = 0.0
    broken: float = inf
    cores: float = 0.0
    lag: float = 0.0
    steps: list[Step] = field(default_factory=list)

    async def run(self) -> Found:
        """Until the interval is small enough."""
        rate = self.search.first
        while self.goes_on(rate):
            await self.look_at(rate)
            rate = self.next()
        return Found(rate=self.kept, steps=tuple(self.steps), cores=self.cores, lag=self.lag)

    def goes_on(self, rate: float) -> bool:
        """Whether there is still something to find."""
        return LEAST <= rate <= self.search.most and self.broken > self.kept * (1 + self.search.precision)

    def next(self) -> float:
        """The rate to be tried next."""
        if not self.kept:
            return self.broken / 2
        return self.kept * 2 if self.broken == inf else sqrt(self.kept * self.broken)

    async def look_at(self, rate: float) -> None:
        """Try a rate; once more where it broke, since something else may have been in the way just then."""
        if await self.keeps(rate) or await self.keeps(rate):
            self.kept = rate
        else:
            self.broken = rate

    async def keeps(self, rate: float) -> bool:
        """Whether the objective is kept at a rate; where it is not, wait until the side has come to rest."""
        began, used = time.monotonic(), self.cpu()
        search = self.search
        load = await self.driver.open(rate=rate, seconds=search.seconds, seed=self.seed(), warmup=search.warmup)
        step = step_of(load, rate, search)
        self.steps.append(step)
        if step.kept:
            self.cores, self.lag = (self.cpu() - used) / (time.monotonic() - began), load.lag
        else:
            await rest(self.driver, search, rate=rate)
        return step.kept

    def seed(self) -> int:
        """Other arrivals in each step, and the same for each side."""
        return self.search.seed * 1000 + len(self.steps)


def step_of(load: Load, rate: float, search: Search) -> Step:
    """What became of a rate that was tried."""
    latency, failed = load.quantiles(), load.share_failed()
    kept = load.done() > 0 and latency[search.percentile] <= search.objective and failed <= search.failures
    return Step(rate=rate, done=load.throughput, latency=latency, failed=failed, kept=kept)


async def rest(driver: Driver, search: Search, *, rate: float) -> None:
    """Return when a side that had too much to do keeps the objective at a rate far below. Restless where it never does.
    """
    calm = max(rate / 8, 4.0)
    for turn in range(round(search.patience / REST)):
        load = await driver.open(rate=calm, seconds=REST, seed=search.seed * 1000 + 500 + turn, warmup=0.0)
        if step_of(load, calm, search).kept:
            return
    raise Restless(
        f"after {rate:g} actions a second it did not come to rest within {search.patience:g} s of {calm:g}: "
        "start it again, and look what it still does."
    )


def capacity(rounds: Sequence[Found], rate: Estimate) -> Capacity:
    """The searches of several rounds, as one figure; `rate` is estimated of their rates."""
    steps = sorted((step for found in rounds for step in found.steps), key=lambda step: step.rate)
    cores = sum(found.cores for found in rounds) / len(rounds)
    return Capacity(rate=rate, steps=tuple(steps), cores=cores)

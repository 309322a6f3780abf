"""Overload: three times what a side can do, for a while, and back; whether it recovers by itself, and how fast.

A side that answers what nobody waits for any more, or asks again what failed, may never get out of it: Huang et al.,
"Metastable Failures in the Wild" (OSDI 2022). So visitors go on coming when it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from craton.lab.compare.driver import Driver
from craton.lab.compare.results import Overload
from craton.lab.load.figures import Second, Stage

WINDOW = 5
"""Seconds that are looked at together: single ones vary, so most of them must be good."""
AGAIN = 2.0
"""How many times slower than before still counts as before: single seconds vary."""


@dataclass(frozen=True, kw_only=True)
class Flood:
    """How much, and how long: `usual` is the share of the capacity that comes for `before` seconds and, when it is
    over, for `after` seconds; in between, for `seconds`, it is `times` the capacity. A second is good again when at
    most the share `failures` of what ended in it failed, and its 95th percentile is within `objective` seconds, or
    within twice what it mostly was before.
    """

    capacity: float
    times: float = 3.0
    usual: float = 0.6
    before: float = 5.0
    seconds: float = 10.0
    after: float = 30.0
    objective: float = 0.1
    failures: float = 0.01
    seed: int = 1


async def overload(driver: Driver, flood: Flood) -> Overload:
    """Flood a side."""
    usual = flood.usual * flood.capacity
    before, during, after = await driver.stages([
        Stage(seconds=flood.before, rate=usual), Stage(seconds=flood.seconds, rate=flood.times * flood.capacity),
        Stage(seconds=flood.after, rate=usual),
    ], seed=flood.seed, warmup=1.0)
    good = max(flood.objective, AGAIN * median(second.p95 for second in before.course))
    return Overload(
        capacity=flood.capacity, times=flood.times, seconds=flood.seconds, before=before.quantiles(),
        during=during.quantiles(), done=1 - during.share_failed(),
        recovered_after=recovered(after.course[:ceil(flood.after)], flood, good=good),
        course=course((*before.course, *during.course, *after.course), began=flood.before),
    )


def recovered(after: Sequence[Second], flood: Flood, *, good: float) -> float | None:
    """Seconds until most are good in each window that follows; None where that was not seen."""
    bad = [not is_good(second, flood, good=good) for second in after]
    windows = [range(first, first + WINDOW) for first in range(len(bad) - WINDOW + 1)]
    troubled = [window for window in windows if sum(bad[number] for number in window) > WINDOW / 2]
    if not windows or windows[-1] in troubled:
        return None
    return float(max((number + 1 for window in troubled for number in window if bad[number]), default=0))


def is_good(second: Second, flood: Flood, *, good: float) -> bool:
    """Whether a second is as those before the flood."""
    ended = second.done + second.failed
    return second.done > 0 and second.failed <= flood.failures * ended and second.p95 <= good


def course(seconds: Sequence[Second], *, began: float) -> tuple[tuple[float, float, float, float], ...]:
    """Each second of it all: time, asked for, done, 95th percentile of what was done. The flood begins at 0."""
    return tuple((each.time - began, float(each.due), float(each.done), each.p95) for each in seconds)

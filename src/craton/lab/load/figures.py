"""What a load found, as values that can be sent from process to process, kept, and added up.

Times are in seconds, rates in actions a second. An action counts for the load in which it was due, whenever it ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from craton.lab.load import latencies

ALL = "all"
"""All actions together, where figures are asked for by action."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Arrivals for some time: at one rate, or at one that changes evenly to another."""

    seconds: float
    rate: float
    until: float | None = None


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """How one action did. `latencies` are those of what was done, as HdrHistogram; what failed has none."""

    done: int
    failed: int
    latencies: str
    errors: Mapping[str, int] = {}  # "503 at /cart", "no response within 10 s": how often


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in one second, warm-up's late ends included. `p95` is of what was done in it, 0 where nothing was.
    """

    time: float  # when it began, from the end of the warm-up
    due: int
    started: int
    done: int
    failed: int
    p95: float


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a load. Open loop: a latency counts from when the action was due. Closed: from its start."""

    seconds: float  # that were measured
    due: int
    actions: Mapping[str, Deed]
    finished: int  # actions that ended well within these seconds, whenever they were due: what was got through
    requests: int  # of the actions counted here, the failed ones too
    sent: int  # bytes, heads included
    received: int
    lags: str  # start minus due: the generator's own lateness, as HdrHistogram
    cpu: float  # processor seconds that the generator itself used in that time
    visitors: int  # how many there were: in open loop as many as had something to do at a time
    course: tuple[Second, ...]

    @property
    def rate(self) -> float:
        """Actions a second that were asked for."""
        return self.due / self.seconds

    @property
    def throughput(self) -> float:
        """Actions a second that were done."""
        return self.finished / self.seconds

    @property
    def lag(self) -> float:
        """How late the generator itself started actions, 99th percentile."""
        return latencies.quantiles([self.lags])["p99"]

    @property
    def lag_most(self) -> float:
        """How late it was at most."""
        return latencies.quantiles([self.lags])["max"]

    def done(self, action: str = ALL) -> int:
        """How many were done."""
        return sum(deed.done for deed in self.deeds(action))

    def failed(self, action: str = ALL) -> int:
        """How many failed."""
        return sum(deed.failed for deed in self.deeds(action))

    def share_failed(self, action: str = ALL) -> float:
        """Which share failed; 0 where nothing was due."""
        count = self.done(action) + self.failed(action)
        return self.failed(action) / count if count else 0.0

    def errors(self, action: str = ALL) -> Mapping[str, int]:
        """What went wrong, and how often."""
        return summed(deed.errors for deed in self.deeds(action))

    def quantiles(self, action: str = ALL) -> Mapping[str, float]:
        """Latency of what was done, at "p50", "p90", "p95", "p99", "p99.9", "max"; 0 where nothing was."""
        return latencies.quantiles(deed.latencies for deed in self.deeds(action))

    def within(self, seconds: float, action: str = ALL) -> float:
        """Which share of all that was due was done in no more time; 1 where nothing was due."""
        count = self.done(action) + self.failed(action)
        return latencies.within([deed.latencies for deed in self.deeds(action)], seconds) / count if count else 1.0

    def curve(self, action: str = ALL) -> tuple[tuple[float, float], ...]:
        """Points (share of what was done, latency), rising."""
        return latencies.curve(deed.latencies for deed in self.deeds(action))

    def deeds(self, action: str) -> Sequence[Deed]:
        """One action, or all of them. An action that was never due did nothing."""
        if action == ALL:
            return list(self.actions.values())
        return [self.actions[action]] if action in self.actions else []

    def merge(self, *others: Load) -> Load:
        """Rounds as one: counts added up, the course of one after that of the other."""
        loads = (self, *others)
        names = dict.fromkeys(name for load in loads for name in load.actions)
        return Load(
            seconds=sum(load.seconds for load in loads), due=sum(load.due for load in loads),
            actions={name: together([each for load in loads for each in load.deeds(name)]) for name in names},
            finished=sum(load.finished for load in loads), requests=sum(load.requests for load in loads),
            sent=sum(load.sent for load in loads), received=sum(load.received for load in loads),
            lags=latencies.added(load.lags for load in loads), cpu=sum(load.cpu for load in loads),
            visitors=max(load.visitors for load in loads), course=joined(loads),
        )


def together(deeds: Sequence[Deed]) -> Deed:
    """One action in several rounds."""
    return Deed(
        done=sum(deed.done for deed in deeds), failed=sum(deed.failed for deed in deeds),
        latencies=latencies.added(deed.latencies for deed in deeds), errors=summed(deed.errors for deed in deeds),
    )


def summed(errors: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    """Counts by reason, the most frequent first."""
    total: Counter[str] = Counter()
    for each in errors:
        total.update(each)
    return dict(total.most_common())


def joined(loads: Iterable[Load]) -> tuple[Second, ...]:
    """Courses one after the other."""
    found: list[Second] = []
    for load in loads:
        after = found[-1].time + 1 if found else 0.0
        found += [msgspec.structs.replace(second, time=second.time + after) for second in load.course]
    return tuple(found)

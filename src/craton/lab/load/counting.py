"""What happened while a load ran, written down as it happens, and counted when all has ended."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import ceil

import msgspec

from craton.lab.load import latencies
from craton.lab.load.figures import Deed, Load, Second


class Ended(msgspec.Struct, frozen=True, gc=False):
    """One action that has come to its end. Moments are seconds after the warm-up."""

    action: str
    due: float
    started: float
    ended: float
    latency: float
    error: str  # "" where it was done
    requests: int
    sent: int
    received: int


class Book:
    """Everything that ended. `zero` is the moment of `time.monotonic` at which the warm-up ends."""

    def __init__(self, zero: float) -> None:
        self.zero, self.all = zero, list[Ended]()
        self.processor = dict[float, float]()
        self.visitors = 0

    def now(self) -> float:
        """Seconds after the warm-up."""
        return time.monotonic() - self.zero

    def mark(self, moment: float) -> None:
        """Note the processor time of this process at a moment between two stages."""
        self.processor[moment] = time.process_time()

    def load(self, since: float, until: float, *, last: bool) -> Load:
        """What became of all that was due in between. The course of the last one goes on until everything has ended."""
        counted = [each for each in self.all if since <= each.due < until]
        by_action: dict[str, list[Ended]] = defaultdict(list)
        for each in counted:
            by_action[each.action].append(each)
        return Load(
            seconds=until - since, due=len(counted),
            actions={name: deed_of(some) for name, some in sorted(by_action.items())},
            finished=sum(since <= each.ended < until for each in self.all if not each.error),
            requests=sum(each.requests for each in counted), sent=sum(each.sent for each in counted),
            received=sum(each.received for each in counted),
            lags=latencies.encoded(each.started - each.due for each in counted),
            cpu=self.processor[until] - self.processor[since], visitors=self.visitors,
            course=course(self.all, since, until, last=last),
        )


def deed_of(some: Sequence[Ended]) -> Deed:
    """What became of one action."""
    done = [each.latency for each in some if not each.error]
    errors = Counter(each.error for each in some if each.error)
    return Deed(
        done=len(done), failed=len(some) - len(done), latencies=latencies.encoded(done),
        errors=dict(errors.most_common()),
    )


def course(all_ended: Sequence[Ended], since: float, until: float, *, last: bool) -> tuple[Second, ...]:
    """What happened in each second."""
    due, started = by_second(all_ended, "due", since), by_second(all_ended, "started", since)
    ended = by_second(all_ended, "ended", since)
    count = ceil(until - since)
    if last:
        count = max([count, *(number + 1 for number in ended)])
    return tuple(
        second(since + number, len(due.get(number, ())), len(started.get(number, ())), ended.get(number, ()))
        for number in range(count)
    )


def by_second(some: Sequence[Ended], moment: str, since: float) -> Mapping[int, Sequence[Ended]]:
    """All of it by the second in which it was due, was started or ended."""
    found: dict[int, list[Ended]] = defaultdict(list)
    for each in some:
        if (at := getattr(each, moment)) >= since:
            found[int(at - since)].append(each)
    return found


def second(time_of: float, due: int, started: int, ended: Sequence[Ended]) -> Second:
    """One second, by what ended in it."""
    done = sorted(each.latency for each in ended if not each.error)
    p95 = done[ceil(len(done) * 0.95) - 1] if done else 0.0
    return Second(time=time_of, due=due, started=started, done=len(done), failed=len(ended) - len(done), p95=p95)

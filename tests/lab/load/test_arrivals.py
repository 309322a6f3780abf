"""Arrivals are a Poisson process with the rate that was asked for, and the same for the same seed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import pairwise
from math import sqrt
from statistics import fmean, pstdev

import pytest

from craton.lab.load.alarm import Alarm, set_alarm
from craton.lab.load.arrivals import Arrival, arrivals, steps
from craton.lab.load.figures import Stage

MIX = (1.0, 2.0, 10.0)


def drawn(*stages: Stage, seed: int = 1) -> list[Arrival]:
    """All arrivals of some stages."""
    return list(arrivals(stages, MIX, seed))


def near(count: float, expected: float) -> bool:
    """Whether a count of independent things is within four standard deviations of what is expected."""
    return abs(count - expected) <= 4 * sqrt(expected)


def test_they_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    stage = Stage(seconds=10, rate=50)
    assert drawn(stage) == drawn(stage)
    assert drawn(stage) != drawn(stage, seed=2)


def test_the_time_between_two_is_exponential() -> None:
    moments = [each.due for each in drawn(Stage(seconds=100, rate=100))]
    gaps = [after - before for before, after in pairwise(moments)]
    assert near(len(moments), 10_000)
    assert fmean(gaps) == pytest.approx(0.01, rel=0.05)
    assert pstdev(gaps) == pytest.approx(fmean(gaps), rel=0.05)
    assert near(sum(gap > 0.01 for gap in gaps), len(gaps) / 2.718281828)


def test_actions_come_by_their_weights() -> None:
    found = drawn(Stage(seconds=100, rate=100))
    count = Counter(each.action for each in found)
    assert all(near(count[action], len(found) * weight / 13) for action, weight in enumerate(MIX))
    assert len({each.seed for each in found}) == len(found)


@pytest.mark.parametrize(("low", "high"), [(0, 200), (200, 0), (50, 150), (150, 50)])
def test_an_even_change_of_the_rate_brings_as_many_as_its_mean(low: float, high: float) -> None:
    moments = [each.due for each in drawn(Stage(seconds=40, rate=low, until=high))]
    first_half = 20 * (low * 3 + high) / 4
    assert near(len(moments), 20 * (low + high))
    assert near(sum(moment < 20 for moment in moments), first_half)
    assert moments == sorted(moments)
    assert moments[-1] < 40


def test_stages_follow_each_other() -> None:
    moments = [each.due for each in drawn(*steps(100, 300, seconds=30, count=3))]
    for n in range(3):
        assert near(sum(n * 10 <= moment < n * 10 + 10 for moment in moments), 1000 * (n + 1))


def test_nobody_comes_at_no_rate() -> None:
    assert drawn(Stage(seconds=10, rate=0)) == []


@pytest.mark.parametrize("own", [True, False], ids=["timerfd", "timers of the loop"])
async def test_an_alarm_never_rings_early(own: bool) -> None:
    with set_alarm() as system:
        alarm = system if own else Alarm(None)
        for wait in (0.0101, 0.00005, 0.0, -1.0, 0.0033):
            moment = time.monotonic() + wait
            await alarm.until(moment)
            assert time.monotonic() >= moment


async def test_who_is_late_lets_others_have_their_turn() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    with set_alarm() as alarm:
        for _ in range(10):
            await alarm.until(time.monotonic() - 1)
    task.cancel()
    assert turns >= 9

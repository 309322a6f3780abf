"""Overload tells whether a side recovers by itself, and how long that takes."""

from __future__ import annotations

import pytest

from craton.lab.compare.overload import Flood, overload, recovered
from craton.lab.compare.results import Overload
from craton.lab.load.figures import Second
from tests.lab.compare.little import LittleSide, Service, open_little, visiting

# 8 slots of 0.1 s do 80 a second. In 1 s of 3 times that 160 remain to be done; at half of it that takes 4 s more
FLOOD = Flood(capacity=80, usual=0.5, before=1, seconds=1, after=10, objective=0.25)


async def flooded(side: LittleSide, flood: Flood = FLOOD, *, limit: float = 10.0) -> Overload:
    """What comes of a flood of visitors who wait so many seconds."""
    async with open_little(side), visiting(side, limit=limit) as driver:
        return await overload(driver, flood)


async def test_a_queue_recovers_as_soon_as_it_has_done_what_waited() -> None:
    found = await flooded(LittleSide(front=Service(8, 0.1)))
    assert found.recovered_after is not None and 2 <= found.recovered_after <= 8
    assert found.before["p95"] < 0.25 < found.during["p95"] and found.done == 1
    assert (found.capacity, found.times, found.seconds) == (80, 3.0, 1)


async def test_a_side_that_gets_slower_the_more_wait_never_recovers() -> None:
    # over 25 that wait each takes 4 times as long: 20 a second are done, and 40 come
    side = LittleSide(front=Service(8, 0.1, breaks_at=25))
    assert (await flooded(side, limit=3)).recovered_after is None


@pytest.mark.chaos
async def test_the_course_shows_each_second_with_the_flood_from_zero_on() -> None:
    found = await flooded(LittleSide(), Flood(capacity=40, before=2, seconds=2, after=6))
    asked = {time: due for time, due, _, _ in found.course}
    assert [time for time, *_ in found.course][:6] == [-2, -1, 0, 1, 2, 3]
    assert asked[0] + asked[1] > 2 * (asked[-2] + asked[-1]) and asked[0] + asked[1] > 2 * (asked[2] + asked[3])
    assert found.recovered_after == 0


def second(time: float, *, p95: float = 0.01, failed: int = 0) -> Second:
    """A second in which 10 were done."""
    return Second(time=time, due=10, started=10, done=10, failed=failed, p95=p95)


FOR_TEN = Flood(capacity=10, after=10)


def after(*bad: int) -> list[Second]:
    """Ten seconds, some of which were slow."""
    return [second(number, p95=1.0 if number in bad else 0.01) for number in range(10)]


def test_recovery_is_when_most_seconds_of_all_that_follows_are_good() -> None:
    assert recovered(after(), FOR_TEN, good=0.1) == 0
    assert recovered(after(0, 1, 2, 3), FOR_TEN, good=0.1) == 4
    assert recovered(after(0, 1, 3), FOR_TEN, good=0.1) == 4


def test_a_single_slow_second_is_no_trouble() -> None:
    assert recovered(after(5), FOR_TEN, good=0.1) == 0
    assert recovered(after(0, 1, 2, 8), FOR_TEN, good=0.1) == 3


def test_seconds_in_which_too_much_fails_are_bad_too() -> None:
    failing = [second(number, failed=number < 4) for number in range(10)]
    assert recovered(failing, FOR_TEN, good=0.1) == 4


def test_a_last_second_or_two_that_are_good_are_no_recovery() -> None:
    assert recovered(after(*range(8)), FOR_TEN, good=0.1) is None
    assert recovered(after(0, 1, 7, 8, 9), FOR_TEN, good=0.1) is None


def test_a_side_that_answers_nothing_has_not_recovered() -> None:
    silent = [Second(time=number, due=10, started=10, done=0, failed=0, p95=0.0) for number in range(10)]
    assert recovered(silent, FOR_TEN, good=0.1) is None and recovered([], FOR_TEN, good=0.1) is None

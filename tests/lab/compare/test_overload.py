"""Overload tells whether a side recovers by itself, and how long that takes."""

from __future__ import annotations

from craton.lab.compare.overload import Flood, overload, recovered
from craton.lab.compare.results import Overload
from craton.lab.load.figures import Second
from tests.lab.compare.little import LittleSide, Service, open_little, visiting

# 4 slots of 25 ms do 160 a second. In 1 s of 3 times that 320 remain to be done; at half of it that takes 4 s more
FLOOD = Flood(capacity=160, usual=0.5, before=1, seconds=1, after=9, objective=0.25)


async def flooded(side: LittleSide, flood: Flood = FLOOD) -> Overload:
    """What comes of a flood."""
    async with open_little(side), visiting(side) as driver:
        return await overload(driver, flood)


async def test_a_queue_recovers_as_soon_as_it_has_done_what_waited() -> None:
    found = await flooded(LittleSide(front=Service(4, 0.025)))
    assert found.recovered_after is not None and 2 <= found.recovered_after <= 6
    assert found.before["p95"] < 0.25 < found.during["p95"] and found.done == 1
    assert (found.capacity, found.times, found.seconds) == (160, 3.0, 1)


async def test_a_side_that_gets_slower_the_more_wait_never_recovers() -> None:
    # over 50 that wait each takes 4 times as long: 40 a second are done, and 80 come
    assert (await flooded(LittleSide(front=Service(4, 0.025, breaks_at=50)))).recovered_after is None


async def test_the_course_shows_each_second_with_the_flood_from_zero_on() -> None:
    found = await flooded(LittleSide(), Flood(capacity=40, before=2, seconds=2, after=4))
    asked = {time: due for time, due, _, _ in found.course}
    assert [time for time, *_ in found.course][:6] == [-2, -1, 0, 1, 2, 3]
    assert asked[0] + asked[1] > 2 * (asked[-2] + asked[-1]) and asked[0] + asked[1] > 2 * (asked[2] + asked[3])
    assert found.recovered_after == 0


def second(time: float, *, p95: float = 0.01, failed: int = 0) -> Second:
    """A second in which 10 were done."""
    return Second(time=time, due=10, started=10, done=10, failed=failed, p95=p95)


def test_recovery_is_when_all_seconds_that_follow_are_good() -> None:
    flood = Flood(capacity=10, seconds=2, after=8)
    bad = {0, 1, 3}
    slow = [second(time, p95=1.0 if time in bad else 0.01) for time in range(8)]
    failing = [second(time, failed=time in bad) for time in range(8)]
    assert recovered(slow, flood, good=0.1) == recovered(failing, flood, good=0.1) == 4
    assert recovered([second(time) for time in range(8)], flood, good=0.1) == 0


def test_a_last_second_or_two_that_are_good_are_no_recovery() -> None:
    flood = Flood(capacity=10, seconds=2, after=8)
    assert recovered([second(time, p95=1.0 if time < 6 else 0.01) for time in range(8)], flood, good=0.1) is None


def test_a_side_that_answers_nothing_has_not_recovered() -> None:
    flood = Flood(capacity=10, seconds=2, after=8)
    silent = [Second(time=time, due=10, started=10, done=0, failed=0, p95=0.0) for time in range(8)]
    assert recovered(silent, flood, good=0.1) is None and recovered([], flood, good=0.1) is None

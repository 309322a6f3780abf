"""Capacity is found where arithmetic says that it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from craton.lab.compare.capacity import Climb, Found, Restless, Search, capacity
from craton.lab.compare.results import Estimate, Step
from tests.lab.compare.little import LittleSide, Service, open_little, visiting

QUICK = Search(seconds=1.0, warmup=0.2, first=60, precision=0.2, objective=0.2, patience=2)


def busy() -> float:
    """Nothing is metered."""
    return 0.0


async def found(side: LittleSide, search: Search) -> Found:
    """What is found of a side."""
    async with open_little(side), visiting(side) as driver:
        return await Climb(driver, search, busy).run()


async def test_the_capacity_of_a_queue_is_its_slots_divided_by_the_time_of_each() -> None:
    front = Service(4, 0.025)  # 160 a second
    one = await found(LittleSide(front=front), QUICK)
    # a busy machine makes sleeps longer; a step of 1.2 s hides 0.2 / 1.2 = 17 % too much, and precision is 20 %
    assert 80 < one.rate < 160 * 1.3
    broken = min(step.rate for step in one.steps if not step.kept and step.rate > one.rate)
    assert broken <= one.rate * 1.2 + 0.01


async def test_where_the_first_rate_is_too_much_the_search_goes_down() -> None:
    one = await found(LittleSide(front=Service(1, 0.05)), replace(QUICK, first=35))  # of which it can do 20
    assert not one.steps[0].kept
    assert 5 < one.rate < 20 * 1.4


async def test_a_side_that_fails_more_than_is_allowed_has_no_capacity() -> None:
    side = LittleSide()
    side.all["stock"].trouble = "failing"  # half of all
    with pytest.raises(Restless, match="did not come to rest"):
        await found(side, QUICK)


def test_rounds_become_one_figure_with_all_of_their_steps() -> None:
    def step(rate: float, *, kept: bool) -> Step:
        return Step(rate=rate, done=rate, latency={}, failed=0.0, kept=kept)

    one = Found(rate=100, steps=(step(100, kept=True), step(200, kept=False)), cores=1.0, lag=0.0)
    other = Found(rate=120, steps=(step(120, kept=True),), cores=2.0, lag=0.0)
    rate = Estimate(mean=110, low=100, high=120, rounds=(100, 120))
    both = capacity([one, other], rate)
    assert both.rate == rate
    assert [each.rate for each in both.steps] == [100, 120, 200] and both.cores == 1.5

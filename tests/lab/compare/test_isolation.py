"""Isolation tells what visitors could still do, and how long it took until all was done again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from craton.lab.compare.isolation import Blows, Striking
from craton.lab.compare.results import Blow
from craton.lab.compare.stand import Trouble
from craton.lab.scenario import Scenario
from tests.lab.compare.little import LittleSide, buy, enter, look, open_little, visiting, walk

QUICK = Blows(rate=30, seconds=1.5, limit=0.4, patience=8)
AGAIN = 1.0


async def struck(service: str, kind: Trouble, side: LittleSide | None = None) -> Blow:
    """One service in trouble."""
    side = side or LittleSide(again=AGAIN)
    async with open_little(side), visiting(side) as driver:
        return await Striking(side, walk, driver, enter(side), QUICK).strike(service, kind)


@pytest.mark.parametrize("kind", ["killed", "slowed", "failing"])
async def test_what_needs_a_service_in_trouble_is_lost_and_nothing_else(kind: Trouble) -> None:
    blow = await struck("stock", kind)
    assert blow.survived["buy"] == 0 and blow.survived["look"] > 0.9 and 0.1 < blow.survived["all"] < 0.9
    assert blow.modules == ("stock",)


@pytest.mark.parametrize("kind", ["killed", "slowed", "failing"])
async def test_what_can_do_without_a_service_survives_its_trouble(kind: Trouble) -> None:
    blow = await struck("hints", kind)
    assert blow.survived["buy"] > 0.9 and blow.survived["look"] > 0.9


async def test_without_the_front_nothing_survives() -> None:
    assert set((await struck("front", "killed")).survived.values()) == {0}


async def test_recovery_is_timed_from_the_kill() -> None:
    after = (await struck("front", "killed")).healthy_after
    assert after is not None and AGAIN <= after < QUICK.patience


async def test_recovery_from_trouble_that_simply_ends_takes_next_to_nothing() -> None:
    after = (await struck("stock", "failing")).healthy_after
    assert after is not None and after < AGAIN


async def test_a_service_that_never_comes_back_is_told_and_nothing_is_measured_after_it() -> None:
    side = LittleSide(again=1000)
    async with open_little(side), visiting(side) as driver:
        blows = Blows(rate=30, seconds=0.5, limit=0.3, patience=1, kinds=("failing", "killed"))
        found = await Striking(side, walk, driver, enter(side), blows).run()
    assert [(blow.service, blow.kind) for blow in found.blows] == [("front", "failing"), ("front", "killed")]
    assert found.blows[-1].healthy_after is None


async def test_each_service_is_struck_in_each_way() -> None:
    side = LittleSide()
    async with open_little(side), visiting(side) as driver:
        blows = Blows(rate=30, seconds=0.3, limit=0.3, patience=5)
        found = await Striking(side, walk, driver, enter(side), blows).run()
    assert {(blow.service, blow.kind) for blow in found.blows} == {
        (service, kind) for service in side.services for kind in ("killed", "slowed", "failing")
    }
    assert all(blow.healthy_after is not None for blow in found.blows)


def test_trouble_lasts_until_rare_actions_have_come() -> None:
    side, rare = LittleSide(), Scenario("rare", {look: 9, buy: 1})
    striking = Striking(side, rare, visiting(side), enter(side), Blows(rate=10, seconds=2))
    assert striking.seconds == 5
    assert replace(striking, blows=Blows(rate=100, seconds=2)).seconds == 2

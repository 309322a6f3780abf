"""What is counted is what happened: in the counts of the site itself, and by the arithmetic of known delays."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter

import pytest

from craton.lab.load.figures import Load, Stage
from craton.lab.load.playing import Play
from craton.lab.load.site import Site
from craton.lab.scenario import Scenario
from tests.lab.load.places import (
    SERVICE,
    Place,
    both,
    broken,
    failing,
    knocking,
    look,
    looking,
    opened,
    write,
    writing,
)

STILL = (2.0, 0.5)
"""Every two seconds, for half a second."""


async def come(
    place: Place, scenario: Scenario, *, rate: float, seconds: float, seed: int = 1, warmup: float = 0.0,
    limit: float = 10.0,
) -> Load:
    """Visitors in open loop."""
    play = Play(scenario, Site(place.url, limit=limit), seed)
    [load] = await play.open([Stage(seconds=seconds, rate=rate)], warmup=warmup)
    return load


async def stay(place: Place, scenario: Scenario, *, visitors: int, seconds: float, seed: int = 1) -> Load:
    """Visitors in closed loop."""
    play = Play(scenario, Site(place.url), seed)
    return await play.closed(visitors, seconds, warmup=0.0, think=scenario.think)


async def test_who_comes_back_when_the_time_is_over_asks_for_nothing() -> None:
    async with opened(Place()) as place:
        asyncio.get_running_loop().call_later(0.1, time.sleep, 0.4)  # as on a machine that does something else
        load = await stay(place, Scenario("late", {look: 1}, think=(0.15, 0.15)), visitors=5, seconds=0.3)
        assert load.requests == sum(place.asked.values())


async def test_counts_and_bytes_are_those_that_the_site_saw() -> None:
    async with opened(Place()) as place:
        load = await come(place, writing, rate=100, seconds=2)
        assert load.due == load.done() > 150
        assert (load.failed(), load.errors()) == (0, {})
        assert load.requests == sum(place.asked.values()) == load.due + load.done("both")
        assert load.done("write") == place.asked["/write"]
        assert (load.sent, load.received) == (place.bytes_in, place.bytes_out)
        assert place.connections == load.visitors
        assert sum(second.due for second in load.course) == sum(second.done for second in load.course) == load.due


async def test_the_same_seed_brings_the_same_requests_to_any_site_and_another_one_others() -> None:
    async def bodies(seed: int, *, hasty: bool) -> Counter[str]:
        async with opened(Place(stills=None if hasty else (0.5, 0.2))) as place:
            await come(place, writing, rate=100, seconds=1, seed=seed)
            return Counter(place.bodies)

    assert await bodies(5, hasty=True) == await bodies(5, hasty=False)
    assert await bodies(5, hasty=True) != await bodies(6, hasty=True)


async def test_open_loop_finds_the_latency_that_visitors_have_while_a_site_stands_still() -> None:
    """Of what is due at any moment of two seconds, a quarter comes while nothing moves and waits for what is left of
    the half second: longer than x does (0.5 - x) / 2 of all, so that the 90th percentile is 0.3 s and the 99th 0.48 s.
    No less may be found, and more only as far as the machine has other work.
    """
    async with opened(Place(stills=STILL)) as place:
        load = await come(place, looking, rate=150, seconds=8)
    found = load.quantiles()
    assert 0.24 + SERVICE < found["p90"] < 0.6 + SERVICE
    assert 0.45 + SERVICE < found["p99"]
    assert 0.085 < 1 - load.within(0.25) < 0.25  # 0.125, less four standard deviations of 1,200 arrivals
    assert 0.15 < 1 - load.within(0.1) < 0.4


@pytest.mark.chaos
async def test_on_a_quiet_machine_it_finds_neither_less_nor_more() -> None:
    async with opened(Place(stills=STILL)) as place:
        load = await come(place, looking, rate=150, seconds=8)
    found = load.quantiles()
    assert 0.24 + SERVICE < found["p90"] < 0.36 + SERVICE
    assert 1 - load.within(0.25) == pytest.approx(0.125, abs=0.04)  # four standard deviations of 1,200 arrivals
    assert 1 - load.within(0.1) == pytest.approx(0.2, abs=0.05)


@pytest.mark.chaos
async def test_closed_loop_hardly_notices_it() -> None:
    """Two visitors who do nothing but ask have one slow answer each in two seconds, beside a great many quick ones."""
    async with opened(Place(stills=STILL)) as place:
        closed = await stay(place, looking, visitors=2, seconds=8)
        opened_loop = await come(place, looking, rate=100, seconds=4)
    assert closed.quantiles()["p90"] < 0.2 < opened_loop.quantiles()["p90"]
    assert 1 - closed.within(0.1) < 0.1 < 0.14 < 1 - opened_loop.within(0.1)
    assert closed.quantiles()["max"] > 0.4


async def test_a_slow_site_is_asked_no_less_in_open_loop_and_less_in_closed_loop() -> None:
    async with opened(Place(stills=(10.0, 1.0))) as place:  # it stands still at once, for a second
        open_loop = await come(place, looking, rate=100, seconds=0.8)
        assert open_loop.due == open_loop.visitors > 50
        assert sum(second.started for second in open_loop.course) == open_loop.due
    async with opened(Place(stills=(10.0, 1.0))) as place:
        assert (await stay(place, looking, visitors=3, seconds=0.8)).due == 3


async def test_visitors_who_have_nothing_to_do_come_again() -> None:
    async with opened(Place()) as place:
        load = await come(place, looking, rate=20, seconds=3)
    assert load.visitors < load.due / 2


async def test_a_site_that_hangs_fails_everybody_at_the_time_limit_and_delays_nobody() -> None:
    async with opened(Place(hangs=True)) as place:
        load = await come(place, looking, rate=100, seconds=1, limit=0.5)
        assert place.asked["/look"] == load.due
    assert (load.done(), load.failed(), load.errors()) == (0, load.due, {"no response within 0.5 s": load.due})
    assert load.within(60.0) == load.throughput == 0
    assert sum(second.failed for second in load.course) == load.due


async def test_a_refused_connection_is_counted_as_such() -> None:
    with socket.socket() as taken:  # but nobody listens
        taken.bind(("127.0.0.1", 0))
        load = await come(Place(url=f"http://127.0.0.1:{taken.getsockname()[1]}"), looking, rate=50, seconds=0.5)
    assert load.errors() == {"connection refused": load.due}
    assert (load.requests, load.sent, load.received) == (load.due, 0, 0)


async def test_a_site_that_closes_its_connections_is_visited_by_new_ones() -> None:
    async with opened(Place(answers=3)) as place:
        load = await come(place, looking, rate=60, seconds=2)
        assert (load.failed(), load.errors()) == (0, {})
        assert place.connections > load.due / 3


async def test_a_slow_start_is_found_where_it_is_measured_and_hidden_by_warm_up() -> None:
    async with opened(Place(stills=(100.0, 1.0))) as place:
        assert (await come(place, looking, rate=50, seconds=1)).quantiles()["p50"] > 0.2
    async with opened(Place(stills=(100.0, 1.0))) as place:
        load = await come(place, looking, rate=50, seconds=1, warmup=1.5)
    assert load.quantiles()["p50"] < 0.2
    assert place.asked["/look"] > load.due > 25


async def test_what_fails_is_counted_by_reason() -> None:
    async with opened(Place()) as place:
        load = await come(place, failing, rate=100, seconds=1)
    assert load.errors("missing") == {"404 at /missing/...": load.failed("missing")}
    assert load.errors("broken") == {"KeyError: '0 things'": load.failed("broken")}
    assert (load.failed("look"), load.done("look") > 25, load.done("missing")) == (0, True, 0)
    assert set(load.actions) == {"look", "missing", "broken"}
    assert load.share_failed() == pytest.approx(0.5, abs=0.25)


async def test_arriving_is_done_once_by_each_visitor_and_not_measured() -> None:
    async with opened(Place()) as place:
        load = await come(place, knocking, rate=50, seconds=1)
        assert place.asked["/knock"] == load.visitors
    assert load.requests == load.due == load.done()
    slow = round((1 - load.within(20 * SERVICE)) * load.due)
    assert slow < load.visitors / 2  # arriving takes that long for each


async def test_who_cannot_arrive_has_failed() -> None:
    scenario = Scenario("lost", {look: 1}, arrive=broken)
    async with opened(Place()) as place:
        load = await come(place, scenario, rate=30, seconds=0.5)
    assert load.errors() == {"on arrival: KeyError: '0 things'": load.due}


async def test_each_stage_has_its_own_figures() -> None:
    stages = [Stage(seconds=1, rate=20), Stage(seconds=1, rate=200), Stage(seconds=1, rate=20)]
    async with opened(Place()) as place:
        loads = await Play(looking, Site(place.url), 3).open(stages, warmup=0.5)
        assert place.asked["/look"] >= sum(load.due for load in loads)
    assert [load.seconds for load in loads] == pytest.approx([1, 1, 1])
    assert loads[1].due > 3 * max(loads[0].due, loads[2].due)
    assert [load.course[0].time for load in loads] == pytest.approx([0, 1, 2])


async def test_in_closed_loop_visitors_think() -> None:
    scenario = Scenario("slowly", {both: 1, write: 1}, think=(0.2, 0.4))
    async with opened(Place()) as place:
        load = await stay(place, scenario, visitors=10, seconds=2)
        assert load.requests == sum(place.asked.values())
    assert 10 <= load.due == load.done() <= 10 * (1 + 2 / 0.2)
    assert load.visitors == 10

"""The generator is a process of its own: it does what it is told, says how late it was, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

import psutil
import pytest

from craton.errors import SettingsError
from craton.lab.load.figures import Stage
from craton.lab.load.generator import Broken, Generator
from tests.lab.load.places import Place, opened

LOOKING, WRITING = "tests.lab.load.places:looking", "tests.lab.load.places:writing"


async def test_it_makes_visitors_come_as_they_like_in_fixed_numbers_and_in_rising_ones() -> None:
    async with opened(Place()) as place, Generator(WRITING, place.url) as generator:
        open_loop = await generator.open(rate=60, seconds=1, seed=1)
        closed = await generator.closed(visitors=3, seconds=1, think=(0, 0.1))
        [even] = await generator.ramp(low=0, high=80, seconds=2)
        stair = await generator.ramp(low=10, high=90, seconds=2, count=2)
        loads = [open_loop, closed, even, *stair]
        assert sum(load.requests for load in loads) == sum(place.asked.values())
        assert (sum(load.sent for load in loads), sum(load.received for load in loads)) == (
            place.bytes_in, place.bytes_out
        )
    assert sum(load.failed() for load in loads) == 0
    assert even.course[1].due > even.course[0].due
    assert stair[1].due > stair[0].due
    assert closed.visitors == 3
    assert min(load.cpu for load in loads) > 0


async def test_the_same_seed_brings_the_same_from_another_process() -> None:
    found = []
    for _ in range(2):
        async with opened(Place()) as place, Generator(WRITING, place.url) as generator:
            await generator.open(rate=60, seconds=1, seed=7)
            found.append(sorted(place.bodies))
    assert found[0] == found[1]


async def test_its_own_lateness_is_told_and_counts_as_latency() -> None:
    async with opened(Place()) as place, Generator(LOOKING, place.url) as generator:
        assert generator.process
        process = psutil.Process(generator.process.pid)
        loading = asyncio.create_task(generator.open(rate=100, seconds=2))
        await asyncio.sleep(0.7)
        process.suspend()
        await asyncio.sleep(0.7)
        process.resume()
        load = await loading
    assert load.lag_most > 0.5
    assert load.lag > 0.3
    assert 1 - load.within(0.2) > 0.15  # of two seconds it slept 0.7: a quarter was due more than 0.2 s before it woke
    assert sum(second.due for second in load.course) == load.due == load.done()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system lets no program choose its processors")
async def test_it_keeps_to_its_processors() -> None:
    async with opened(Place()) as place, Generator(LOOKING, place.url, cores=[0]) as generator:
        assert generator.process
        assert psutil.Process(generator.process.pid).cpu_affinity() == [0]


async def test_a_load_for_which_nobody_waits_any_more_ends_and_the_next_one_begins_anew() -> None:
    async with opened(Place()) as place, Generator(LOOKING, place.url) as generator:
        first = generator.process
        loading = asyncio.create_task(generator.open(rate=100, seconds=60))
        await asyncio.sleep(0.5)
        loading.cancel()
        with suppress(asyncio.CancelledError):
            await loading
        assert first
        assert first.returncode is not None
        asked = place.asked["/look"]
        assert (await generator.open(rate=50, seconds=0.5)).done() == place.asked["/look"] - asked > 0


async def test_nothing_is_left_of_it() -> None:
    async with opened(Place()) as place:
        async with Generator(LOOKING, place.url) as generator:
            process = generator.process
            assert process
        assert process.returncode is not None
        assert generator.process is None


async def test_it_ends_at_once_when_nobody_is_there_to_tell_it_anything() -> None:
    async with opened(Place()) as place, Generator(LOOKING, place.url) as generator:
        process = generator.process
        assert process
        assert process.stdin
        process.stdin.write(b'{"type":"open","stages":[{"seconds":60,"rate":50}]}\n')
        await asyncio.sleep(0.3)
        process.stdin.close()
        async with asyncio.timeout(10):
            assert await process.wait() == 0


async def test_that_it_broke_is_said() -> None:
    async with opened(Place()) as place, Generator(LOOKING, place.url) as generator:
        assert generator.process
        generator.process.send_signal(signal.SIGKILL)
        with pytest.raises(Broken, match="the load generator ended: -9"):
            await generator.open(rate=10, seconds=1)
        assert (await generator.stages([Stage(seconds=0.5, rate=20)]))[0].failed() == 0


@pytest.mark.parametrize(("scenario", "said"), [
    ("tests.lab.load.places", "is not an import path"),
    ("tests.lab.load.nowhere:looking", "there is no tests.lab.load.nowhere"),
    ("tests.lab.load.places:nothing", "tests.lab.load.places has no nothing"),
    ("tests.lab.load.places:look", "is no Scenario"),
])
async def test_a_scenario_that_is_not_there_is_refused(scenario: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        async with Generator(scenario, "http://127.0.0.1:1"):
            pass


async def test_a_signal_of_the_terminal_does_not_reach_it() -> None:
    async with opened(Place()) as place, Generator(LOOKING, place.url) as generator:
        assert generator.process
        assert os.getpgid(generator.process.pid) != os.getpgid(0)

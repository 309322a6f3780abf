"""Sagas that sleep, and that wait for events: put down meanwhile, and taken up once."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from craton import Failed
from craton.calls import codec
from craton.data.store import transact
from craton.data.tables import tables_of
from craton.messages.transport import Message
from craton.sagas.sagas import Sagas, saga_id
from craton.testing.start import Running, calling, start, user
from tests.sagas.conftest import Ahead, begin, host, status
from tests.sagas.parcels import Arrived, Dispatch, Parcels, post
from tests.until import until

DAY = 86_400.0
numbers = itertools.count(1)


def sagas_of(running: Running) -> Sagas:
    return host(running, "dispatch").hosted["dispatch"].sagas


async def bring(running: Running, parcel: str, place: str) -> None:
    """An event arrives at the dispatcher."""
    event, sagas = Arrived(parcel, place), sagas_of(running)
    message = Message(
        f"event-{next(numbers)}", "parcels", f"parcel={parcel}", 1, "Arrived", 1, codec.to_json(event).decode(), "", 0.0
    )
    await transact(sagas.store, "dispatch", lambda unit: sagas.arrive(unit, message, event))


# ---------------------------------------------------------------------- sleep


async def test_a_saga_that_sleeps_long_is_in_nobodys_memory_and_goes_on_when_it_is_due(
    office: Running, clock: Ahead
) -> None:
    saga = await begin(office, "remind", "a", 14 * DAY)
    await until(lambda: sagas_of(office).ongoing == {})
    assert await office.get(Dispatch).notes() == (("a", "waiting"),)
    clock.by = timedelta(days=13)
    await sagas_of(office).adopt()
    assert (await status(office, saga, "waiting")).state == "waiting"
    clock.by = timedelta(days=14)
    assert (await status(office, saga)).answer == "reminded a"
    assert await office.get(Dispatch).notes() == (("a", "reminded"),)


async def test_a_sleep_outlasts_a_restart(office: Running, clock: Ahead) -> None:
    saga = await begin(office, "remind", "a", DAY)
    home = host(office, "dispatch").name
    await office.close(home)
    clock.by = timedelta(days=2)
    await office.open(home)
    assert (await status(office, saga)).answer == "reminded a"


async def test_a_short_sleep_is_slept_at_once(office: Running) -> None:
    with calling(key="1"):
        assert await office.get(Dispatch).remind("a", 0.05) == "reminded a"
    with calling(key="2"):
        assert await office.get(Dispatch).remind("b", -1) == "reminded b"


async def test_who_asks_for_a_sleeping_saga_under_its_key_gets_its_answer_in_the_end(
    office: Running, clock: Ahead
) -> None:
    await begin(office, "remind", "a", 30)

    async def ask() -> str:
        with calling(caller=user("ann", "admin"), key="1", timeout=20):
            return await office.get(Dispatch).remind("a", 30)

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0.05)
    clock.by = timedelta(seconds=31)
    assert await asking == "reminded a"


async def test_without_a_key_the_answer_comes_too(office: Running, clock: Ahead) -> None:
    async def ask() -> str:
        with calling(timeout=20):
            return await office.get(Dispatch).remind("a", DAY)

    asking = asyncio.create_task(ask())
    while await office.get(Dispatch).notes() == ():  # noqa: ASYNC110  # it may be in another process
        await asyncio.sleep(0.01)
    clock.by = timedelta(days=1)
    assert await asking == "reminded a"


async def test_a_timer_that_fires_twice_wakes_a_saga_once(postgresql: str, clock: Ahead) -> None:
    url = f"{postgresql}/timers"
    async with start(post, database=url, clock=clock) as one, start(post, database=url, clock=clock) as two:
        ids = [await begin(one, "remind", f"p{n}", DAY, key=f"{n}") for n in range(5)]
        clock.by = timedelta(days=1)
        for running in (one, two):
            sagas_of(running).wake()
        for id in ids:
            assert (await status(one, id)).state == "done"
        saga = tables_of("dispatch").saga
        rows = await host(one, "dispatch").store.read("dispatch", select(saga.c.fence))
        assert rows.scalars().all() == [2] * 5
        late = update(saga).values(due=0)
        await transact(sagas_of(one).store, "dispatch", lambda unit: unit.execute("dispatch", late))
        await sagas_of(two).adopt()
        assert {(await status(two, id)).state for id in ids} == {"done"}


# ---------------------------------------------------------------------- events


async def test_a_saga_gets_the_event_that_comes_while_it_waits(office: Running) -> None:
    saga = await begin(office, "follow", "a", 24)
    await until(lambda: sagas_of(office).ongoing == {})
    await bring(office, "b", "elsewhere")
    await bring(office, "a", "here")
    await bring(office, "a", "there")
    assert (await status(office, saga)).answer == ["here"]
    assert await office.get(Dispatch).notes() == (("a", "here"),)


async def test_it_gets_the_event_that_came_before_it_waited(office: Running) -> None:
    saga = await begin(office, "follow", "a", 24, 2)
    await bring(office, "a", "here")
    await bring(office, "a", "there")
    assert (await status(office, saga)).answer == ["here", "there"]


async def test_it_does_not_get_one_from_before_it_began(office: Running) -> None:
    await bring(office, "a", "long ago")
    await asyncio.sleep(0.01)  # the clock of the database goes on
    saga = await begin(office, "follow", "a", 24)
    await bring(office, "a", "now")
    assert (await status(office, saga)).answer == ["now"]


async def test_it_gets_none_when_the_time_is_over(office: Running, clock: Ahead) -> None:
    saga = await begin(office, "follow", "a", 24)
    clock.by = timedelta(hours=24)
    assert (await status(office, saga)).answer == ["nowhere"]
    await bring(office, "a", "too late")
    assert (await status(office, saga)).answer == ["nowhere"]


async def test_several_sagas_get_one_event_each(office: Running) -> None:
    ids = [await begin(office, "remind", f"x{n}", DAY, key=f"{n}") for n in range(3)]
    waiting = [await begin(office, "follow", f"a{n}", 24, key=f"f{n}") for n in range(3)]
    for n in range(3):
        await bring(office, f"a{n}", f"place {n}")
    assert [(await status(office, id)).answer for id in waiting] == [[f"place {n}"] for n in range(3)]
    assert {(await status(office, id, "waiting")).state for id in ids} == {"waiting"}


async def test_an_event_and_a_restart_in_any_order_are_one_event(office: Running) -> None:
    saga = await begin(office, "follow", "a", 24, 2)
    home = host(office, "dispatch").name
    await bring(office, "a", "here")
    await office.close(home)
    await office.open(home)
    assert (await status(office, saga, "waiting")).state == "waiting"
    await bring(office, "a", "there")
    assert (await status(office, saga)).answer == ["here", "there"]


async def test_many_events_and_waits_at_once_on_postgresql_meet(postgresql: str) -> None:
    url = f"{postgresql}/meeting"
    async with start(post, database=url) as one, start(post, database=url) as two:
        async def follow(n: int) -> tuple[str, ...]:
            with calling(key=f"{n}", timeout=25):
                return await one.get(Dispatch).follow(f"p{n}", 1)

        following = [asyncio.create_task(follow(n)) for n in range(20)]
        saga = tables_of("dispatch").saga
        begun: set[int] = set()
        while len(begun) < 20:  # each event comes as soon as its saga has begun, be it waiting yet or not
            there = set((await host(two, "dispatch").store.read("dispatch", select(saga.c.id))).scalars())
            new = {n for n in range(20) if saga_id(f"{n}") in there} - begun
            await asyncio.gather(*(bring(two, f"p{n}", f"place {n}") for n in new))
            begun |= new
        assert await asyncio.gather(*following) == [(f"place {n}",) for n in range(20)]


async def test_an_event_that_another_module_publishes_reaches_the_saga_that_waits_for_it(office: Running) -> None:
    async def follow() -> tuple[str, ...]:
        with calling(key="1", timeout=20):
            return await office.get(Dispatch).follow("a", 24)

    following = asyncio.create_task(follow())
    await status(office, saga_id("1"), "waiting")
    with calling(key="2"):
        await office.get(Parcels).arrive("a", "here")
    assert await following == ("here",)


async def test_to_wait_for_an_event_that_is_not_declared_is_refused(office: Running) -> None:
    with calling(key="1"), pytest.raises(Failed, match=r"awaits=Arrived"):
        await office.get(Dispatch).unsaid("a")

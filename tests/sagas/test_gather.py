"""Steps side by side: results, faults, undo and replay are the same in every structure."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from craton.data.tables import tables_of
from craton.testing.start import Running, calling, start
from tests.sagas.conftest import begin, host, status
from tests.sagas.parcels import OUTSIDE, Broken, Dispatch, Parcels, post


async def test_the_results_come_in_the_order_of_the_steps(office: Running) -> None:
    with calling(key="1"):
        assert await office.get(Dispatch).pack_all(("b", "c", "a")) == ("packed b", "packed c", "packed a")
    assert await office.get(Parcels).all() == (("a", "packed"), ("b", "packed"), ("c", "packed"))
    assert await office.get(Dispatch).notes() == (("all", "packed"),)


async def test_many_steps_elsewhere_are_asked_at_the_same_time(office: Running) -> None:
    OUTSIDE.together = 40
    with calling(key="1"):
        assert len(await office.get(Dispatch).label_all(tuple(f"p{n}" for n in range(40)))) == 40
    assert OUTSIDE.most == 40


async def test_when_one_fails_the_others_come_to_their_end_and_are_undone(office: Running) -> None:
    for _ in range(2):
        with calling(key="1"), pytest.raises(Broken) as found:
            await office.get(Dispatch).pack_all(("a", "broken 1", "b", "broken 2"))
        assert found.value == Broken("broken 1")
    assert await office.get(Parcels).all() == (("a", "unpacked"), ("b", "unpacked"))
    assert await office.get(Dispatch).notes() == (("all", "given up"),)


async def test_steps_of_this_service_and_of_others_may_be_mixed(office: Running) -> None:
    with calling(key="1"):
        assert await office.get(Dispatch).mixed("n", "f") == ("packed f", "noted", "label f")
    assert await office.get(Dispatch).notes() == (("n", "done"),)
    with calling(key="2"), pytest.raises(Broken):
        await office.get(Dispatch).mixed("m", "broken")
    assert await office.get(Dispatch).notes() == (("m", "taken back"), ("n", "done"))
    assert OUTSIDE.labels == ["f"]


async def test_a_failed_gather_leaves_the_same_events_in_every_structure() -> None:
    found = []
    for topology in ("monolith", "microservices"):
        async with start(post, topology=topology) as running:
            with calling(key="1"), pytest.raises(Broken):
                await running.get(Dispatch).pack_all(("a", "broken", "b"))
            t = tables_of("parcels").outbox
            rows = await host(running, "parcels").store.read("parcels", select(t.c.type, t.c.stream, t.c.body))
            found.append(sorted(tuple(row) for row in rows.all()))
    assert found[0] == found[1] and len(found[0]) == 4


async def test_nothing_to_gather_is_nothing(office: Running) -> None:
    with calling(key="1"):
        assert await office.get(Dispatch).pack_all(()) == ()


async def test_a_gather_that_is_broken_off_goes_on_under_the_same_keys(office: Running) -> None:
    OUTSIDE.together = 4
    saga = await begin(office, "label_all", ("a", "b", "c"), state="running")
    home = host(office, "dispatch").name
    await office.close(home)
    await asyncio.sleep(0)
    OUTSIDE.together = 0
    OUTSIDE.met.set()
    await office.open(home)
    ended = await status(office, saga)
    assert ended.answer == ["label a", "label b", "label c"]
    assert sorted(OUTSIDE.labels) == ["a", "b", "c"]


async def test_a_merged_gather_is_part_of_the_one_transaction() -> None:
    async with start(post) as running:
        with calling(key="1"):
            await running.get(Dispatch).pack_all(("a", "b"))
        saga = tables_of("dispatch").saga
        assert (await host(running, "dispatch").store.read("dispatch", select(saga))).all() == []

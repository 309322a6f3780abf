"""Code that changes with sagas in flight, and sagas that are parked until a person retries them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from craton.contract import methods_of
from craton.sagas import asking
from craton.testing.start import Running, calling, user
from tests.sagas.conftest import Ahead, begin, host, status
from tests.sagas.parcels import OUTSIDE, Broken, Dispatch, Dispatcher, Parcels

WEEK = 7 * 86_400.0


@contextmanager
def released(method: str, body: Any) -> Iterator[None]:
    """Another release of the code of one saga."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(Dispatcher, method, body)
        yield


async def restart(running: Running) -> None:
    """Stop the dispatcher's service, and start it again."""
    home = host(running, "dispatch").name
    await running.close(home)
    await running.open(home)


def version_of(running: Running, version: int) -> None:
    """The code that runs now is of this version."""
    sagas = host(running, "dispatch").hosted["dispatch"].sagas
    for name in sagas.methods:
        method = sagas.methods[name].method
        object.__setattr__(method, "version", version)
        sagas.journal.versions[name] = version
    sagas.journal.looks = ()


async def remind_twice(self: Dispatcher, parcel: str, seconds: float) -> str:
    """What `remind` has become: sagas of the first version keep to its path."""
    await self.saga.step(self.note, parcel, "waiting")
    if self.saga.version >= 2:
        await self.saga.step(self.renote, parcel, "told that it will take long")
    await self.saga.sleep(seconds)
    await self.saga.step(self.renote, parcel, f"reminded by version {self.saga.version}")
    return f"reminded {parcel}"


async def remind_otherwise(self: Dispatcher, parcel: str, seconds: float) -> str:
    """The same, but it does not mind the sagas that began before."""
    await self.saga.step(self.note, parcel, "waiting for long")
    await self.saga.sleep(seconds)
    return "not reached"


@pytest.fixture(autouse=True)
def first_version() -> Iterator[None]:
    """Methods are made once for all tests."""
    yield
    for kind in (Dispatch, Dispatcher):
        for method in methods_of(kind).values():
            object.__setattr__(method, "version", 1)


async def test_a_saga_keeps_to_the_path_of_the_version_it_began_with(office: Running, clock: Ahead) -> None:
    saga = await begin(office, "remind", "a", WEEK)
    with released("remind", remind_twice):
        await restart(office)
        version_of(office, 2)
        clock.by = timedelta(days=7)
        assert (await status(office, saga)).state == "done"
        assert await office.get(Dispatch).notes() == (("a", "reminded by version 1"),)
        with calling(key="2"):
            await office.get(Dispatch).remind("b", 0.0)
        assert await office.get(Dispatch).notes() == (("a", "reminded by version 1"), ("b", "reminded by version 2"))


async def test_a_saga_of_newer_code_is_left_to_those_who_have_it(office: Running, clock: Ahead) -> None:
    version_of(office, 2)
    saga = await begin(office, "remind", "a", WEEK)
    version_of(office, 1)
    clock.by = timedelta(days=7)
    await host(office, "dispatch").hosted["dispatch"].sagas.adopt()
    assert (await status(office, saga, "waiting")).state == "waiting"
    (line,) = await office.operator.sagas()
    assert line.error == "it needs version 2 of the code, and this is 1"
    version_of(office, 2)
    assert (await status(office, saga)).state == "done"


async def test_a_saga_that_would_take_another_path_is_parked_and_the_difference_is_named(
    office: Running, clock: Ahead
) -> None:
    saga = await begin(office, "remind", "a", WEEK)
    clock.by = timedelta(days=7)
    with released("remind", remind_otherwise):
        await restart(office)
        assert (await status(office, saga)).state == "parked"
    (line,) = await office.operator.sagas()
    assert "was dispatch.note(state='waiting') and is now dispatch.note(state='waiting for long')" in (line.error or "")
    await restart(office)  # the release is taken back
    assert await office.operator.retry_saga(saga)
    assert (await status(office, saga, "done")).answer == "reminded a"


async def test_a_step_that_is_gone_from_the_code_parks_the_saga(office: Running, clock: Ahead) -> None:
    async def nothing(self: Dispatcher, parcel: str, seconds: float) -> str:
        return "forgotten"

    saga = await begin(office, "remind", "a", WEEK)
    clock.by = timedelta(days=7)
    with released("remind", nothing):
        await restart(office)
        assert (await status(office, saga)).state == "parked"
    (line,) = await office.operator.sagas()
    assert "step 1 was dispatch.note and is now the saga's end" in (line.error or "")


async def test_a_saga_parked_after_its_pivot_goes_on_from_the_step_that_broke(
    office: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    OUTSIDE.broken = True
    monkeypatch.setattr(asking, "BROKEN", 1)
    saga = await begin(office, "seal", "a", state="parked")
    shown = await office.operator.saga(saga)
    assert shown is not None and shown.arguments == {"parcel": "a"}
    assert [(step.method, step.status) for step in shown.steps] == [
        ("dispatch.note", "done"), ("parcels.stamp", "done"), ("dispatch.close", "asked"),
    ]
    assert "ZeroDivisionError" in (shown.steps[2].error or "") and "ZeroDivisionError" in (shown.saga.error or "")
    assert await office.operator.retry_saga(saga)
    await asyncio.sleep(0.1)
    assert (await status(office, saga, "parked")).state == "parked"
    OUTSIDE.broken = False
    assert await office.operator.retry_saga(saga)
    assert (await status(office, saga, "done")).answer == "stamp a"
    assert OUTSIDE.labels == ["a"]
    assert not await office.operator.retry_saga(saga)
    with calling(caller=user("ann", "admin"), key="1"):
        assert await office.get(Dispatch).seal("a") == "stamp a"


async def test_a_saga_parked_on_its_way_back_goes_on_going_back(
    office: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    OUTSIDE.broken = True
    monkeypatch.setattr(asking, "BROKEN", 1)
    saga = await begin(office, "pack_all", ("a", "broken"), state="parked")
    OUTSIDE.broken = False
    assert await office.operator.retry_saga(saga)
    ended = await status(office, saga, "fault")
    assert (ended.fault, ended.answer) == ("Broken", {"parcel": "broken"})
    assert await office.get(Parcels).all() == (("a", "unpacked"),)
    with calling(caller=user("ann", "admin"), key="1"), pytest.raises(Broken):
        await office.get(Dispatch).pack_all(("a", "broken"))


async def test_a_step_that_would_not_run_is_given_up_after_the_same_time_in_every_structure(
    office: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("craton.sagas.asking.PATIENCE", 0.3)
    monkeypatch.setattr("craton.sagas.steps.PATIENCE", 0.3)
    for _ in range(2):
        with calling(key="1"):
            assert await office.get(Dispatch).ask("it") == "it: NotRun"

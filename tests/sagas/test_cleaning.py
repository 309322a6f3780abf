"""What is forgotten of sagas, and when."""

from __future__ import annotations

import asyncio
from operator import methodcaller
from typing import Any

import pytest
from sqlalchemy import func, select, update

from craton.data.store import Unit, transact
from craton.data.tables import tables_of
from craton.sagas import asking
from craton.sagas.cleaning import SagaCleaner
from craton.testing.start import Running, calling, start
from tests.sagas.conftest import begin, host
from tests.sagas.parcels import OUTSIDE, Dispatch, Parcels, post
from tests.sagas.test_waiting import bring, sagas_of

DAY = 86_400.0


async def count(running: Running, *tables: str) -> list[int]:
    """The rows of some of the dispatcher's tables."""
    found, store = tables_of("dispatch"), host(running, "dispatch").store
    counts = [await store.read("dispatch", select(func.count()).select_from(getattr(found, name))) for name in tables]
    return [int(one.scalar_one()) for one in counts]


async def age(running: Running, module: str, days: float, **columns: str) -> None:
    """Let the rows of a module's tables be so many days old, by the column that tells."""
    store = host(running, module).store
    for name, column in columns.items():
        table = getattr(tables_of(module), name)
        older = update(table).values({column: table.c[column] - days * DAY})
        await transact(store, module, methodcaller("execute", module, older))


async def clean(running: Running) -> None:
    """What every process does now and then."""
    for process in running.processes.values():
        for cleaner in process.post.cleaners if process.hosted else ():
            await cleaner.clean()


async def test_what_has_ended_is_forgotten_after_two_weeks_and_what_has_not_stays(monkeypatch: Any) -> None:
    OUTSIDE.__init__()  # type: ignore[misc]
    monkeypatch.setattr(asking, "BROKEN", 1)
    async with start(post, topology="microservices") as running:
        with calling(key="done"):
            await running.get(Dispatch).seal("a")
        await bring(running, "x", "here")
        ended = ["saga", "journal", "inbox", "arrival", "awaited"]
        assert await count(running, *ended) == [1, 3, 1, 1, 1]
        await age(running, "dispatch", 13, saga="updated", inbox="created", arrival="created", awaited="updated")
        await clean(running)
        assert await count(running, *ended) == [1, 3, 1, 1, 1]
        OUTSIDE.broken = True
        await begin(running, "seal", "b", state="parked")
        await age(running, "dispatch", 2, saga="updated", inbox="created", arrival="created", awaited="updated")
        await clean(running)
        assert await count(running, *ended) == [1, 3, 1, 0, 0]
        await age(running, "dispatch", 100, saga="updated", inbox="created")
        await clean(running)
        assert await count(running, "saga", "inbox") == [1, 1]
        assert (await running.operator.sagas())[0].state == "parked"


async def test_a_saga_that_took_longer_than_two_weeks_keeps_its_answer_from_its_end_on() -> None:
    OUTSIDE.__init__()  # type: ignore[misc]
    async with start(post, topology="microservices") as running:
        saga = await begin(running, "follow", "a", 24 * 100)
        await age(running, "dispatch", 20, saga="updated", inbox="created")
        await clean(running)
        await bring(running, "a", "here")
        while sagas_of(running).ongoing or (await running.operator.sagas()):
            await sagas_of(running).adopt()
            await asyncio.sleep(0)  # reads of SQLite never wait: let what runs go on
        await clean(running)
        assert await count(running, "saga", "inbox") == [1, 1]
        shown = await running.operator.saga(saga)
        assert shown is not None and shown.saga.state == "done"


async def test_a_step_is_undone_although_its_key_is_forgotten_where_it_was_done(monkeypatch: Any) -> None:
    OUTSIDE.__init__()  # type: ignore[misc]
    monkeypatch.setattr(asking, "BROKEN", 1)
    OUTSIDE.broken = True
    async with start(post, topology="microservices") as running:
        saga = await begin(running, "pack_all", ("a", "broken"), state="parked")
        await age(running, "parcels", 20, inbox="created")
        await clean(running)
        OUTSIDE.broken = False
        assert await running.operator.retry_saga(saga)
        while await running.operator.sagas():
            await sagas_of(running).adopt()
            await asyncio.sleep(0)
        assert await running.get(Parcels).all() == (("a", "unpacked"),)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_what_came_since_the_oldest_saga_began_stays_until_that_has_ended(
    database: str, request: pytest.FixtureRequest
) -> None:
    OUTSIDE.__init__()  # type: ignore[misc]
    url = f"{request.getfixturevalue('postgresql')}/arrivals" if database == "postgresql" else None
    async with start(post, database=url) as running:
        await bring(running, "x", "before anybody asked")
        await age(running, "dispatch", 1, arrival="created", awaited="updated")
        saga = await begin(running, "remind", "a", 24 * 100 * 3600.0)
        await bring(running, "y", "here")
        await age(running, "dispatch", 20, saga="created", arrival="created", awaited="updated")
        await clean(running)
        assert await arrivals(running) == ["Arrived/y"]
        assert await sagas_of(running).arrivals.latest("Arrived/x") == ""
        assert await sagas_of(running).arrivals.latest("Arrived/y") != ""
        table = tables_of("dispatch").saga
        ended = update(table).where(table.c.id == saga).values(state="done")
        await transact(host(running, "dispatch").store, "dispatch", methodcaller("execute", "dispatch", ended))
        await clean(running)
        assert await arrivals(running) == []
        assert await count(running, "awaited") == [0]


async def arrivals(running: Running) -> list[str]:
    """What each of the arrivals that are kept is waited for as."""
    found = await host(running, "dispatch").store.read("dispatch", select(tables_of("dispatch").arrival.c.awaits))
    return list(found.scalars())


class Interrupted(SagaCleaner):
    """Between its look and its removal an event arrives again, once."""

    def __init__(self, running: Running) -> None:
        super().__init__(host(running, "dispatch").store, "dispatch", retention=14 * DAY)
        self.running, self.interrupted = running, False

    async def remove(self, found: list[str], kind: Any, unit: Unit) -> None:
        if found == ["Arrived/x"] and not self.interrupted:
            self.interrupted = True
            await bring(self.running, "x", "here again")
        await super().remove(found, kind, unit)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_an_event_that_arrives_while_old_ones_of_its_kind_are_removed_is_not_lost(
    database: str, request: pytest.FixtureRequest
) -> None:
    url = f"{request.getfixturevalue('postgresql')}/again" if database == "postgresql" else None
    async with start(post, database=url) as running:
        await bring(running, "x", "here")
        await age(running, "dispatch", 20, arrival="created", awaited="updated")
        cleaner = Interrupted(running)
        await cleaner.clean()
        assert cleaner.interrupted
        assert await arrivals(running) == ["Arrived/x"]
        assert await sagas_of(running).arrivals.latest("Arrived/x") != ""
        await cleaner.clean()
        assert await count(running, "arrival", "awaited") == [1, 1]

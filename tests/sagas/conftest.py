"""What the tests of sagas share: the dispatcher in each structure, and a clock that can be put forward."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from craton import OutcomeUnknown
from craton.run.process import Process
from craton.sagas.sagas import SagaStatus, saga_id
from craton.testing.start import Running, calling, start, user
from tests.sagas.parcels import OUTSIDE, Dispatch, post

STRUCTURES = [("monolith", "local"), ("monolith", "wire"), ("microservices", "local"), ("microservices", "wire")]


class Ahead:
    """The machine's clock, put forward."""

    def __init__(self) -> None:
        self.by = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by


@pytest.fixture
def clock() -> Ahead:
    return Ahead()


@pytest.fixture(params=STRUCTURES, ids=lambda s: "-".join(s))
async def office(request: pytest.FixtureRequest, clock: Ahead) -> AsyncIterator[Running]:
    """The dispatcher and his packer."""
    topology, link = request.param
    OUTSIDE.__init__()  # type: ignore[misc]
    async with start(post, topology=topology, link=link, clock=clock) as running:
        yield running


def host(running: Running, module: str) -> Process:
    """The process that hosts a module."""
    return next(p for p in running.processes.values() if module in p.hosted)


async def status(running: Running, id: str, *states: str) -> SagaStatus:
    """A saga's status, once it is in one of these states, or ended."""
    found = None
    for _ in range(400):
        found = await running.door.saga("dispatch", id, caller=user("ann", "admin"))
        if found is not None and found.state in (states or ("done", "fault", "failed", "parked")):
            return found
        await asyncio.sleep(0.025)
    raise AssertionError(f"{id} does not become {states}: {found}")


async def begin(running: Running, method: str, *args: object, key: str = "1", state: str = "waiting") -> str:
    """Begin a saga that will not end by itself; its id, once it has come so far."""
    asked = getattr(running.get(Dispatch), method)
    with calling(caller=user("ann", "admin"), key=key, timeout=0.5), suppress(OutcomeUnknown):
        raise AssertionError(f"it has ended: {await asked(*args)}")
    await status(running, saga_id(key), state)
    return saga_id(key)

"""Workers that ask several controllers at once, behind one door."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from craton import Application, Module, NotRun, Tasks, command
from craton.tasks import messages
from craton.tasks.messages import Requested, Take
from craton.tasks.together import Together
from craton.testing.start import start
from tests.tasks.desk import Desk, success
from tests.tasks.studio import Frame, Picture, develop, studio


class Lab(Protocol):
    """Develops, too."""

    @command(allow="anyone")
    async def submit(self, frame: Frame, *, delay: float = 0.0) -> str:
        """Submit a job."""
        ...


class Cellar(Lab):
    """Where it is dark."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks

    async def submit(self, frame: Frame, *, delay: float = 0.0) -> str:
        return await self.tasks.submit(develop, frame, delay=delay)


film = Application("film", [
    studio.module("studio"), Module("lab", Lab, "tests.tasks.test_together:Cellar", tasks={develop: ""}),
])
ASKED = Take(worker="w-1", queues=("graphics", "darkroom"), room=4, most=4)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """Two modules with tasks in one process."""
    async with start(film) as running:
        yield Desk(running)


@pytest.fixture
def together(desk: Desk) -> Together:
    """Their controllers."""
    return Together(desk.process.controllers)


def waiting(together: Together) -> asyncio.Future[list[Requested]]:
    """A worker that waits."""
    return asyncio.ensure_future(together.take(Take(worker="w-1", queues=ASKED.queues, wait=20)))


async def test_a_worker_is_given_jobs_of_all_modules_up_to_its_room(desk: Desk, together: Together) -> None:
    lab = desk.running.get(Lab)
    jobs = [*[await desk.submit() for _ in range(3)], *[await lab.submit(Frame(n)) for n in range(3)]]
    first, second = await together.take(ASKED), await together.take(ASKED)
    assert (len(first), len(second)) == (4, 2)
    assert Counter(job.taskid for job in (*first, *second)) == Counter(jobs)
    assert {job.taskmodule for job in first} == {"studio", "lab"}


async def test_who_waits_is_given_a_job_of_any_module_when_it_comes(desk: Desk, together: Together) -> None:
    for submit in (desk.submit(), desk.running.get(Lab).submit(Frame(1))):
        asked = waiting(together)
        await asyncio.sleep(0.05)
        job = await submit
        assert [found.taskid for found in await asked] == [job]


async def test_who_waits_is_given_a_job_when_it_is_due(desk: Desk, together: Together) -> None:
    asked = waiting(together)
    job = await desk.running.get(Lab).submit(Frame(1), delay=0.4)
    async with asyncio.timeout(10):
        assert [found.taskid for found in await asked] == [job]


async def test_nobody_looks_for_jobs_when_nobody_waits(together: Together) -> None:
    assert await together.take(Take(worker="w-1", queues=ASKED.queues, wait=0.1)) == []
    assert together.looking is not None
    async with asyncio.timeout(5):
        await together.looking


async def test_what_one_module_gave_is_answered_though_another_stops(desk: Desk, together: Together) -> None:
    await desk.process.controllers["lab"].__aexit__(None, None, None)
    for _ in range(2):  # whichever is asked first
        job = await desk.submit()
        assert [found.taskid for found in await together.take(ASKED)] == [job]


async def test_reports_go_to_the_modules_of_their_jobs(desk: Desk, together: Together) -> None:
    await desk.submit("develop")
    await desk.running.get(Lab).submit(Frame(2))
    jobs = await together.take(ASKED)
    said = [messages.report(job, messages.SUCCEEDED, success(Picture(1)), worker="w-1") for job in jobs]
    assert await together.report(said[::-1]) == ["taken", "taken"]
    assert {c.module: (await c.operations.counts())["develop"] for c in together.controllers.values()} == {
        "studio": {"done": 1}, "lab": {"done": 1},
    }


async def test_a_worker_that_goes_while_it_is_given_jobs_leaves_them_to_others(
    desk: Desk, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = {await desk.submit(), await desk.running.get(Lab).submit(Frame(1))}
    first, second = together.controllers.values()  # in this order, for the first who asks

    async def go(asked: Take) -> list[Requested]:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(second, "take", go)
        with pytest.raises(asyncio.CancelledError):
            await together.take(ASKED)
    assert len(first.claims.unwanted) == 1
    found = set[str]()
    async with asyncio.timeout(5):
        while found != jobs:
            found |= {job.taskid for job in await together.take(Take(worker="w-2", queues=ASKED.queues, wait=1))}


async def test_where_nothing_can_be_given_the_worker_is_told(desk: Desk, together: Together) -> None:
    for controller in together.controllers.values():
        await controller.__aexit__(None, None, None)
    with pytest.raises(NotRun, match="stops"):
        await together.take(ASKED)

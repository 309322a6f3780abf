"""Several processes control the same jobs at once: each job is given to one worker, and ends once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from craton.run.process import Process
from craton.tasks import messages
from craton.tasks.controller import Controller
from craton.tasks.messages import Requested, Take
from craton.testing.start import SECRET, start
from tests.tasks.conftest import emptied
from tests.tasks.desk import Desk, success
from tests.tasks.studio import Picture, Rendered, studio

JOBS = 60


@pytest.fixture
async def desk(postgresql: str) -> AsyncIterator[Desk]:
    """The studio on a database that others can use, too."""
    async with start(studio, database=await emptied(postgresql)) as running:
        yield Desk(running)


@pytest.fixture
async def other(desk: Desk) -> AsyncIterator[Controller]:
    """The controller of another process of the same service."""
    databases, name = desk.running.databases, desk.process.name
    async with Process(
        studio, desk.running.topology, name, database=databases[name], secret=SECRET, links=desk.running.links,
        environ={},
    ) as process:
        yield process.controllers["studio"]


async def work(controller: Controller, worker: str, seen: list[Requested]) -> None:
    """Take what there is, and say everything twice, until all is done."""
    asked = Take(worker=worker, queues=("darkroom",), room=5, most=5, wait=0.5)
    while len(seen) < JOBS:
        jobs = await controller.take(asked)
        seen += jobs
        said = [messages.report(job, messages.SUCCEEDED, success(Picture(1)), worker=worker) for job in jobs]
        for _ in range(2):
            assert await controller.report(said) == ["taken"] * len(jobs)


async def test_each_job_is_given_out_once(desk: Desk, other: Controller) -> None:
    jobs = await asyncio.gather(*(desk.submit("develop", n) for n in range(JOBS)))
    seen = list[Requested]()
    workers = [work(c, f"w-{n}", seen) for n, c in enumerate([desk.controller, other] * 3)]
    await asyncio.gather(*workers)
    assert Counter(job.taskid for job in seen) == Counter(jobs)
    assert {job.taskattempt for job in seen} == {1}
    assert await desk.controller.operations.counts() == {"develop": {"done": JOBS}, "sweep": {"queued": 1}}


async def test_what_one_stores_the_other_gives_to_who_waits_there(desk: Desk, other: Controller) -> None:
    waiting = asyncio.ensure_future(other.take(Take(worker="w", queues=("graphics",), wait=20)))
    await asyncio.sleep(0.1)
    job = await desk.submit()
    (found,) = await waiting
    assert found.taskid == job
    said = messages.report(found, messages.SUCCEEDED, success(Rendered("one", 1)), worker="w")
    assert await desk.controller.report([said]) == ["taken"], "a report is heard by any"


async def test_a_silent_worker_is_found_by_any_and_loses_its_job_once(desk: Desk, other: Controller) -> None:
    job = await desk.submit()
    lost = await desk.taken(job)
    await desk.pass_time(job, 26)
    await asyncio.gather(*(c.tending.tend() for c in (desk.controller, other) for _ in range(3)))
    row = await desk.row(job)
    assert (row.state, row.attempt, row.released, row.fence) == ("queued", 1, 0, 2)
    verdicts = await other.report([messages.report(lost, messages.HEARTBEAT, messages.Heartbeat(), worker="w-1")])
    assert verdicts == ["refused"]


async def test_a_cancellation_and_a_success_at_once_leave_one_end(desk: Desk, other: Controller) -> None:
    for n in range(10):
        job = await desk.submit("develop", n)
        found = await desk.taken(job)
        said = messages.report(found, messages.SUCCEEDED, success(Picture(n)), worker="w-1")
        cancelled, verdicts = await asyncio.gather(desk.studio.cancel(job), other.report([said]))
        row = await desk.row(job)
        assert (row.state, verdicts) == ("done", ["taken"])
        assert row.cancelled is cancelled


async def test_recurring_jobs_are_queued_once(desk: Desk, other: Controller) -> None:
    await asyncio.gather(*(c.recurring.tend() for c in (desk.controller, other) for _ in range(3)))
    assert (await desk.controller.operations.counts())["sweep"] == {"queued": 1}

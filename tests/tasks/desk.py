"""Somebody who acts as the workers of the studio, and as the time that passes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from sqlalchemy import select, update

from craton.data.store import Unit, transact
from craton.data.tables import tables_of
from craton.task import JobStatus
from craton.tasks import messages
from craton.tasks.controller import Controller
from craton.tasks.messages import Report, Requested, Take, Verdict
from craton.testing.start import Running
from craton.values import Value
from tests.tasks.studio import Frame, Studio

JOB = tables_of("studio").job


class Desk:
    """The studio, its controller, and what workers say to it."""

    def __init__(self, running: Running) -> None:
        self.running, self.studio = running, running.get(Studio)
        self.process = next(p for p in running.processes.values() if "studio" in p.hosted)

    @property
    def controller(self) -> Controller:
        """What gives out jobs."""
        return self.process.controllers["studio"]

    async def submit(self, task: str = "render", number: int = 1, **options: Any) -> str:
        """Submit a job."""
        return await self.studio.submit(task, Frame(number), **options)

    async def take(
        self, *queues: str, worker: str = "w-1", most: int = 1, room: int = 100, wait: float = 0.0
    ) -> list[Requested]:
        """Ask for jobs."""
        asked = Take(worker=worker, queues=queues or ("graphics", "darkroom"), room=room, most=most, wait=wait)
        return await self.controller.take(asked)

    async def taken(self, job: str, worker: str = "w-1") -> Requested:
        """Ask for this job, which is there."""
        (found,) = await self.controller.take(Take(worker=worker, jobs=(job,)))
        return found

    async def say(self, job: Requested, kind: str, data: Any = None) -> Verdict:
        """One report."""
        return (await self.controller.report([self.report(job, kind, data)]))[0]

    def report(self, job: Requested, kind: str, data: Any = None, *, worker: str = "w-1") -> Report:
        """A report."""
        return messages.report(job, kind, data, worker=worker)

    async def succeed(self, job: Requested, result: Value) -> Verdict:
        """Report a success."""
        return await self.say(job, messages.SUCCEEDED, success(result))

    async def fail(self, job: Requested, code: str = "Oops", **options: Any) -> Verdict:
        """Report a failure."""
        return await self.say(job, messages.FAILED, messages.Failed(code, "it broke", **options))

    async def beat(self, job: Requested, progress: float | None = None, checkpoint: Any = None) -> Verdict:
        """Report that it is alive."""
        kept = msgspec.UNSET if checkpoint is None else msgspec.Raw(msgspec.json.encode(checkpoint))
        return await self.say(job, messages.HEARTBEAT, messages.Heartbeat(progress, kept))

    async def status(self, job: str) -> JobStatus:
        """How far a job is."""
        found = await self.studio.status(job)
        assert found is not None
        return found

    async def row(self, job: str) -> Any:
        """A job's row."""
        return (await self.process.store.read("studio", select(JOB).where(JOB.c.id == job))).one()

    async def pass_time(self, job: str, seconds: float) -> None:
        """Let so many seconds pass for a job."""
        times = ("due", "rank", "expires", "lease_until", "started", "progressed", "rung", "created", "updated")
        earlier: dict[str, Any] = {name: JOB.c[name] - seconds for name in times}
        change = update(JOB).where(JOB.c.id == job).values(earlier)

        async def body(unit: Unit) -> None:
            await unit.execute("studio", change)

        await transact(self.process.store, "studio", body)

    async def tend(self) -> None:
        """One round of tending: what a controller does twice a second."""
        await self.controller.tending.tend()

    async def hears(self, *said: str) -> None:
        """Wait until just this has been heard."""
        found: tuple[str, ...] = ()
        for _ in range(500):
            if (found := await self.studio.heard()) == said:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"heard {found}, not {said}")


def success(result: Value) -> messages.Succeeded:
    """The data of a success."""
    return messages.Succeeded(msgspec.Raw(msgspec.json.encode(result)))

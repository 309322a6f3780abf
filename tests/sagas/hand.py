"""A worker by hand: a test takes jobs from the controller, and reports of them what it likes."""

from __future__ import annotations

import asyncio

import msgspec

from craton.tasks.controller import Controller
from craton.tasks.messages import (
    CANCELLED,
    FAILED,
    HEARTBEAT,
    SUCCEEDED,
    Failed,
    Heartbeat,
    Requested,
    Succeeded,
    Take,
    Verdict,
    report,
)
from craton.testing.start import Running
from tests.sagas.conftest import host
from tests.sagas.press import Page, Plate

QUEUES = ("etching", "stamping")


def page(job: Requested) -> int:
    """The page that a job is for."""
    return msgspec.json.decode(job.data, type=Page).number


class Hand:
    """Works at the press."""

    def __init__(self, running: Running) -> None:
        self.running = running

    @property
    def controller(self) -> Controller:
        """The controller that there is now."""
        return host(self.running, "press").controllers["press"]

    async def take(self, count: int) -> list[Requested]:
        """So many jobs, in the order of their pages."""
        jobs = list[Requested]()
        while len(jobs) < count:
            most = count - len(jobs)
            found = await self.controller.take(Take(worker="hand", queues=QUEUES, room=most, most=most, wait=5))
            assert found, f"there are {len(jobs)} jobs, not {count}"
            jobs += found
        return sorted(jobs, key=page)

    async def take_none(self) -> None:
        """There are no jobs."""
        assert await self.controller.take(Take(worker="hand", queues=QUEUES, room=9, most=9)) == []

    async def succeed(self, *jobs: Requested) -> list[Verdict]:
        """They are done, all reported at once."""
        results = [Succeeded(msgspec.Raw(msgspec.json.encode(Plate(page(job))))) for job in jobs]
        return await self.controller.report(
            [report(job, SUCCEEDED, result, worker="hand") for job, result in zip(jobs, results, strict=True)]
        )

    async def fail(self, job: Requested, *, torn: bool = False) -> Verdict:
        """It failed for good, or with a fault."""
        fault = msgspec.Raw(msgspec.json.encode({"page": page(job)})) if torn else msgspec.UNSET
        failure = Failed("Torn" if torn else "broken", "the press broke", retryable=False, fault=fault)
        return (await self.controller.report([report(job, FAILED, failure, worker="hand")]))[0]

    async def beat(self, job: Requested) -> Verdict:
        """It is alive."""
        return (await self.controller.report([report(job, HEARTBEAT, Heartbeat(0.5), worker="hand")]))[0]

    async def told_to_stop(self, job: Requested) -> None:
        """Go on until it is told to stop."""
        async with asyncio.timeout(10):
            while await self.beat(job) != "cancel":  # noqa: ASYNC110  # as workers do
                await asyncio.sleep(0.02)

    async def stop(self, *jobs: Requested) -> None:
        """They were cancelled, and the worker has stopped."""
        for job in jobs:
            assert await self.beat(job) == "cancel"
            (verdict,) = await self.controller.report([report(job, CANCELLED, worker="hand")])
            assert verdict == "taken"

"""A job in a simulated world: it is submitted, fails once, and succeeds, while its controller dies again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from craton.contract import methods_of
from craton.errors import CallError
from craton.run.process import Process
from craton.tasks import messages
from craton.tasks.messages import Report, Requested, Take, Verdict
from tests.crash.service import unanswered
from tests.crash.stage import Stage, Tables, rows
from tests.crash.world import Plan, Point, World, simulate
from tests.tasks.desk import success
from tests.tasks.studio import Frame, Rendered, Studio, studio

STRUCTURES: dict[str, list[tuple[str, ...]]] = {"monolith": [("studio",)]}
SUBMITTED = methods_of(Studio)["submit"].bind(("render", Frame(1)), {})


class Worker:
    """A worker outside of all this: it asks and reports until it is answered. `fences`: of what it was given."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fences = list[int]()
        self.failed = False

    async def insist(self, ask: Callable[[Process], Awaitable[Any]]) -> Any:
        """Ask the studio, until there is an answer."""
        while True:
            if (service := self.world.up("studio")) is not None:
                task = service.spawn(ask(service.process))
                await asyncio.wait({task, service.died}, return_when=asyncio.FIRST_COMPLETED)
                if not unanswered(task) and not isinstance(task.exception(), CallError):
                    return task.result()
            await asyncio.sleep(0.1)

    async def work(self) -> None:
        """Take the job and try it, until a success has been taken."""
        asked = Take(worker="w", queues=("graphics",), room=4, most=4, wait=3.0)
        while True:
            for job in await self.insist(lambda process: process.controllers["studio"].take(asked)):
                assert isinstance(job.taskfence, int)
                self.fences.append(job.taskfence)
                if await self.attempt(job):
                    return

    async def attempt(self, job: Requested) -> bool:
        """Fail the first time, and succeed from then on; whether it did."""
        if await self.say(messages.report(job, messages.HEARTBEAT, messages.Heartbeat(0.5), worker="w")) == "refused":
            return False
        if not self.failed:
            failure = messages.Failed("Oops", "it broke", retryafter=0.5)
            self.failed = await self.say(messages.report(job, messages.FAILED, failure, worker="w")) == "taken"
            return False
        done = success(Rendered("one", 1, f"{job.taskfolder}.png"))
        return await self.say(messages.report(job, messages.SUCCEEDED, done, worker="w")) == "taken"

    async def submit(self) -> str:
        """Submit a job, under the same key each time."""
        job: str = await self.insist(lambda process: process.endpoints["studio.submit"].ask(SUBMITTED, key="k"))
        return job

    async def say(self, report: Report) -> Verdict:
        """Report, the same each time."""
        verdicts: list[Verdict] = await self.insist(lambda process: process.controllers["studio"].report([report]))
        return verdicts[0]


def make_studio(root: Path) -> Stage:
    """The studio, with nothing to do yet."""
    return Stage(root, studio, STRUCTURES, fill=lambda world: asyncio.sleep(0))


def run(stage: Stage, plan: Plan | None = None) -> list[Point]:
    """One job, and what is left of it when all is quiet."""
    with stage.world("monolith", plan) as world:
        worker, job = simulate(world, lambda: render(world))
        tables = rows(world.folder)
    audit(worker, job, tables)
    return world.points


async def render(world: World) -> tuple[Worker, str]:
    """Submit a job under a key until that is answered, and work; then look whether all is quiet."""
    worker = Worker(world)
    working = asyncio.create_task(worker.work())
    job = await worker.submit()
    async with asyncio.timeout(100):
        await working
    await world.settle()
    await asyncio.sleep(3)  # the event is brought
    assert await worker.submit() == job
    return worker, job


def audit(worker: Worker, job: str, tables: Tables) -> None:
    """What must hold, whatever went wrong."""
    (row,) = [row for row in tables["studio_job"] if row["task"] == "render"]
    assert (row["id"], row["state"], row["uniq"]) == (job, "done", None), row
    assert msgspec.json.decode(row["result"])["path"] == f"studio/{job}/{row['attempt']}-{row['fence']}.png", row
    assert worker.fences == sorted(set(worker.fences)), worker.fences
    assert [heard["what"] for heard in tables["studio_heard"]] == ["rendered 1"], tables["studio_heard"]
    events = [event["type"] for event in tables["studio_outbox"]]
    assert events == ["Rendered"], events
    recurring = [row["state"] for row in tables["studio_job"] if row["task"] == "sweep"]
    assert recurring == ["queued"], recurring

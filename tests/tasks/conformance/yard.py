"""A yard where loads are hauled: what the conformance suite of queues runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from craton import (
    Application,
    Database,
    Event,
    Fault,
    Job,
    JobFailed,
    JobStatus,
    Module,
    Retry,
    Task,
    Tasks,
    Value,
    command,
    on,
    query,
)


class Load(Value):
    """`how` says what happens to it; `seconds` how long it takes."""

    name: str
    how: str = ""
    seconds: float = 0.0


class Hauled(Event, key="name"):
    name: str
    attempt: int


class Dropped(Fault, status=409):
    name: str


haul = Task("haul", Load, Hauled, queue="yard", timeout=20, retries=2, backoff=(0, 0.05), raises=Dropped)
once = Task("once", Load, Hauled, queue="yard", timeout=20, retries=0)
dig = Task("dig", Load, Hauled, queue="pit", timeout=20, retries=0)
TASKS = {task.name: task for task in (haul, once, dig)}


class Yard(Protocol):
    """Hauls loads."""

    @command(allow="anyone")
    async def submit(self, task: str, load: Load, *, delay: float = 0.0, unique: str | None = None) -> str:
        """Submit a job."""
        ...

    @command(allow="anyone")
    async def submit_all(self, task: str, loads: tuple[Load, ...]) -> tuple[str, ...]:
        """Submit some."""
        ...

    @command(allow="anyone")
    async def cancel(self, job: str) -> bool:
        """Cancel a job."""
        ...

    @query(allow="anyone")
    async def status(self, job: str) -> JobStatus | None:
        """How far a job is."""
        ...

    @query(allow="anyone")
    async def heard(self) -> tuple[str, ...]:
        """What was heard of, in order."""
        ...

    @on(Hauled)
    async def on_hauled(self, event: Hauled) -> None:
        """A load is there."""
        ...

    @on(JobFailed)
    async def on_failed(self, event: JobFailed) -> None:
        """One never comes."""
        ...


metadata = MetaData()
heard = Table(
    "yard_heard", metadata, Column("id", Integer, primary_key=True, autoincrement=True), Column("what", String)
)


class Foreman(Yard):
    """The yard itself."""

    def __init__(self, tasks: Tasks, database: Database) -> None:
        self.tasks, self.database = tasks, database

    async def submit(self, task: str, load: Load, *, delay: float = 0.0, unique: str | None = None) -> str:
        return await self.tasks.submit(TASKS[task], load, delay=delay, unique=unique)

    async def submit_all(self, task: str, loads: tuple[Load, ...]) -> tuple[str, ...]:
        return tuple([await self.tasks.submit(TASKS[task], load) for load in loads])

    async def cancel(self, job: str) -> bool:
        return await self.tasks.cancel(job)

    async def status(self, job: str) -> JobStatus | None:
        return await self.tasks.status(job)

    async def heard(self) -> tuple[str, ...]:
        rows = await self.database.execute(select(heard.c.what).order_by(heard.c.id))
        return tuple(rows.scalars())

    async def on_hauled(self, event: Hauled) -> None:
        await self.database.execute(insert(heard).values(what=f"hauled {event.name}"))

    async def on_failed(self, event: JobFailed) -> None:
        await self.database.execute(insert(heard).values(what=f"failed {event.task}"))


BEGUN: Counter[str] = Counter()
"""How often each load was begun, by its name: workers of these tests run in the process of the tests."""
STOPPED: Counter[str] = Counter()
"""How often work on it was stopped."""


async def work(load: Load, job: Job) -> Hauled:
    """Haul a load, as it says."""
    BEGUN[load.name] += 1
    if load.how == "drop":
        raise Dropped(load.name)
    if load.how == "break" or (load.how == "stumble" and job.attempt == 1):
        raise ValueError("an axle broke")
    if load.how == "later" and job.attempt == 1:
        raise Retry("the gate is closed", after=0.2)
    if load.how == "resume" and job.checkpoint is None:
        await job.progress(0.5, checkpoint={"at": 1})
        raise ValueError("half way")
    try:
        await asyncio.sleep(load.seconds)
    except asyncio.CancelledError:
        STOPPED[load.name] += 1
        raise
    return Hauled(load.name, job.attempt)


yard = Application("yard", [
    Module(
        "yard", Yard, "tests.tasks.conformance.yard:Foreman", tables="tests.tasks.conformance.yard:metadata",
        tasks={task: "tests.tasks.conformance.yard:work" for task in (haul, once, dig)},
    ),
])

"""A studio whose workers render frames: what the tests of tasks run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from craton import (
    Application,
    Database,
    Event,
    Events,
    Fault,
    JobFailed,
    JobStatus,
    Module,
    Task,
    Tasks,
    Value,
    command,
    on,
    query,
)


class Frame(Value):
    number: int
    scene: str = "one"


class Rendered(Event, key="scene"):
    scene: str
    number: int
    path: str = ""


class Picture(Value):
    size: int


class Blurred(Fault, status=409):
    by: int


class Sweep(Value):
    rooms: int = 3


class Swept(Value):
    dust: int


render = Task("render", Frame, Rendered, queue="graphics", timeout=60, stall=20, retries=2, backoff=(10, 100))
develop = Task("develop", Frame, Picture, queue="darkroom", retries=1, raises=Blurred)
big = Task("big", Frame, Picture, queue="graphics", weight=4)
short = Task("short", Frame, Picture, queue="graphics", expires=timedelta(minutes=5))
sweep = Task("sweep", Sweep, Swept, queue="house", every=timedelta(hours=1))
NAMED: dict[str, Task[Any, Any]] = {task.name: task for task in (render, develop, big, short)}


class Studio(Protocol):
    """Renders frames."""

    @command(allow="anyone")
    async def submit(
        self, task: str, frame: Frame, *, delay: float = 0.0, priority: int | None = None, unique: str | None = None
    ) -> str:
        """Submit a job."""
        ...

    @command(allow="anyone")
    async def submit_and_fail(self, frame: Frame) -> None:
        """Submit a job, and fail."""
        ...

    @command(allow="anyone", raises=Blurred)
    async def submit_and_refuse(self, frame: Frame) -> None:
        """Submit a job, and answer with a fault."""
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

    @on(Rendered)
    async def on_rendered(self, event: Rendered) -> None:
        """A frame is there."""
        ...

    @on(JobFailed)
    async def on_failed(self, event: JobFailed) -> None:
        """A job failed."""
        ...


metadata = MetaData()
heard = Table(
    "studio_heard", metadata, Column("id", Integer, primary_key=True, autoincrement=True), Column("what", String)
)


class Room(Studio):
    """The studio itself."""

    def __init__(self, tasks: Tasks, database: Database, events: Events) -> None:
        self.tasks, self.database, self.events = tasks, database, events

    async def submit(
        self, task: str, frame: Frame, *, delay: float = 0.0, priority: int | None = None, unique: str | None = None
    ) -> str:
        return await self.tasks.submit(NAMED[task], frame, delay=delay, priority=priority, unique=unique)

    async def submit_and_fail(self, frame: Frame) -> None:
        await self.tasks.submit(render, frame)
        raise ValueError("changed its mind")

    async def submit_and_refuse(self, frame: Frame) -> None:
        await self.tasks.submit(render, frame)
        raise Blurred(2)

    async def cancel(self, job: str) -> bool:
        return await self.tasks.cancel(job)

    async def status(self, job: str) -> JobStatus | None:
        return await self.tasks.status(job)

    async def heard(self) -> tuple[str, ...]:
        rows = await self.database.execute(select(heard.c.what).order_by(heard.c.id))
        return tuple(rows.scalars())

    async def on_rendered(self, event: Rendered) -> None:
        await self.database.execute(insert(heard).values(what=f"rendered {event.number}"))

    async def on_failed(self, event: JobFailed) -> None:
        await self.database.execute(insert(heard).values(what=f"failed {event.task} {event.error} {event.input}"))


studio = Application("film", [
    Module(
        "studio", Studio, "tests.tasks.studio:Room", tables="tests.tasks.studio:metadata",
        tasks={render: "", develop: "", big: "", short: "", sweep: ""},
    ),
])

"""The mill itself."""

from __future__ import annotations

from typing import Any

from craton import JobStatus, Settings, Task, Tasks
from tests.tasks.mill.contract import Bakery, Grain, Mill
from tests.tasks.mill.tasks import bake, crush, grind, heavy, snap, store

NAMED: dict[str, Task[Any, Any]] = {task.name: task for task in (grind, crush, snap, heavy, store)}


class Miller(Mill):
    """Submits, and looks."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks

    async def submit(self, task: str, grain: Grain) -> str:
        return await self.tasks.submit(NAMED[task], grain)

    async def submit_many(self, task: str, grain: Grain, count: int) -> tuple[str, ...]:
        return tuple([await self.tasks.submit(NAMED[task], grain) for _ in range(count)])

    async def cancel(self, job: str) -> bool:
        return await self.tasks.cancel(job)

    async def status(self, job: str) -> JobStatus | None:
        return await self.tasks.status(job)


class Baker(Bakery):
    """The same for bread."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks

    async def bake(self, grain: Grain) -> str:
        return await self.tasks.submit(bake, grain)

    async def baked(self, job: str) -> JobStatus | None:
        return await self.tasks.status(job)


class MillSettings(Settings):
    """`weight`: what comes out."""

    weight: int = 7

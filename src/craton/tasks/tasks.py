"""`Tasks`: jobs for workers, stored with the command that submits them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from craton.calls.context import CONTEXT
from craton.data.store import Unit
from craton.errors import Misuse
from craton.task import HIGHEST, I, JobStatus, Length, O, Task, seconds
from craton.tasks.jobs import Jobs


class Tasks:
    """`await self.tasks.submit(encode, Chunk(...))`, inside a command, commits or vanishes with it."""

    def __init__(self, jobs: Jobs, tasks: Mapping[str, Task[Any, Any]]) -> None:
        self.jobs, self.tasks, self.module = jobs, tasks, jobs.module

    async def submit(
        self, task: Task[I, O], input: I,
        *, delay: Length | None = None, at: datetime | None = None, priority: int | None = None,
        unique: str | None = None,
    ) -> str:
        """Store a job; its id. It may begin after `delay`, or `at` a time. `priority` in place of the task's own.

        `unique`: while a job of this task that was submitted with the same text has not ended, the id is that job's,
        and no other is stored. Misuse outside a command of the module that declares the task.
        """
        unit = self.unit(f"{task.name} was submitted")
        self.check(task, input, at=at, priority=priority)
        return await self.jobs.add(
            unit, task, input, delay=0.0 if delay is None else seconds(delay),
            at=None if at is None else at.timestamp(), priority=priority, unique=unique,
        )

    async def cancel(self, job: str) -> bool:
        """Cancel a job in a command; a worker that has it is told to stop. False where it has ended already."""
        return await self.jobs.cancel(self.unit(f"{job} was cancelled"), job)

    async def status(self, job: str) -> JobStatus | None:
        """How far a job is; None where there is none of this id."""
        return await self.jobs.status(job)

    def unit(self, what: str) -> Unit:
        """The unit of the command in progress."""
        unit: Unit | None = CONTEXT.get().unit
        if unit is None or unit.store is not self.jobs.store or unit.module != self.module:
            raise Misuse(f"{what} outside a command of {self.module}: do it in one.")
        return unit

    def check(self, task: Task[Any, Any], input: object, *, at: datetime | None, priority: int | None) -> None:
        """Refuse what could not become a job."""
        if self.tasks.get(task.name) != task:
            raise Misuse(
                f"{self.module} submitted {task.name}, which is none of its tasks: add it to Module(tasks=...), or "
                "call the contract of the module that has it."
            )
        if not isinstance(input, task.input):
            raise Misuse(f"{task.name} takes a {task.input.__name__}, and was given a {type(input).__name__}.")
        if at is not None and at.tzinfo is None:
            raise Misuse(f"{task.name}: at={at} has no time zone: give it one, such as datetime.UTC.")
        if priority is not None and not -HIGHEST <= priority <= HIGHEST:
            raise Misuse(f"{task.name}: priority={priority} is not between -{HIGHEST} and {HIGHEST}.")

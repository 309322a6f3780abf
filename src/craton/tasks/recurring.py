"""Recurring tasks: of each, one job is queued for its next time, and no other until that one has ended.

So its jobs never overlap, and after a stop, however long, one is begun at once for all the times that were missed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from sqlalchemy import literal_column, select, update

from craton.data.job_table import UNENDED
from craton.data.store import Store, Unit, transact
from craton.data.tables import tables_of
from craton.schedule import schedule
from craton.task import Task
from craton.tasks.jobs import STATES, Jobs
from craton.tasks.rows import given, rows_of, same

RECURRING = "$every"
"""What is unique of a recurring job."""


class Recurring:
    """Queues the recurring jobs of one module; several processes may."""

    def __init__(self, store: Store, module: str, tasks: Mapping[str, Task[Any, Any]], *, jobs: Jobs) -> None:
        self.store, self.module, self.jobs = store, module, jobs
        self.tasks = {name: task for name, task in tasks.items() if task.every is not None}
        self.times = {name: schedule(task.every) for name, task in self.tasks.items()}
        t, v = tables_of(module).job, rows_of(store, job=str)
        unended = t.c.state.in_([literal_column(f"'{state}'") for state in UNENDED])
        self.find = select(t.c.id, t.c.task, t.c.state, t.c.attempt, t.c.due, store.moment.label("now")).where(
            t.c.uniq.is_not(None), unended, t.c.uniq == RECURRING
        )
        self.drop = update(t).where(same(store, t.c.id, v), t.c.state == STATES["queued"], t.c.attempt == 0).values(
            state=STATES["cancelled"], updated=store.moment
        )

    async def tend(self) -> int:
        """One round: how many jobs were queued."""
        if not self.tasks:
            return 0
        rows = (await self.store.read(self.module, self.find)).all()
        now = rows[0].now if rows else await self.store.now()
        following = {name: time for name, times in self.times.items() if (time := times(now)) is not None}
        old = [row for row in rows if self.is_old(row, now, following)]
        there = {row.task for row in rows} - {row.task for row in old}
        missing = [name for name in following if name not in there]
        if old or missing:
            await transact(self.store, self.module, lambda unit: self.plan(unit, old, missing, following))
        return len(missing)

    def is_old(self, row: Any, now: float, following: Mapping[str, float]) -> bool:
        """Whether a job waits for a time at which the task does not recur any more."""
        if row.state != "queued" or row.attempt > 0 or row.due <= now:
            return False
        return bool(abs(row.due - following.get(row.task, 0.0)) > 1e-3)

    async def plan(
        self, unit: Unit, old: Sequence[Any], missing: Sequence[str], following: Mapping[str, float]
    ) -> None:
        """Queue what is missing. Two processes that do so at once store the same job, which has the same id."""
        if old:
            await unit.execute(self.module, self.drop, given({"job": row.id} for row in old))
        for name in missing:
            task, at = self.tasks[name], following[name]
            await self.jobs.add(
                unit, task, task.input(), at=at, unique=RECURRING, id=recurring_id(self.module, name, at)
            )


def recurring_id(module: str, task: str, at: float) -> str:
    """The id of a recurring task's job at a time."""
    return f"job-{int(at * 1000):012x}{blake2b(f'{module}.{task}/{at!r}'.encode(), digest_size=10).hexdigest()}"

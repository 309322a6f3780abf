"""What people do with the jobs of a module: list, look, cancel, try again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Integer, String, bindparam, func, select, update

from craton.data.store import Store, transact
from craton.data.tables import tables_of
from craton.task import JobStatus, State
from craton.tasks.jobs import AGE, STATES, Jobs, status_of
from craton.values import Value

MOST = 1000
"""Jobs that are listed at once."""


class JobDetail(Value):
    """A job with all that is known of it. `input` and `checkpoint` are JSON; `saga`: what waits for it."""

    status: JobStatus
    priority: int
    weight: int
    fence: int
    input: str
    checkpoint: str | None = None
    saga: str | None = None
    unique: str | None = None


class Operations:
    """The jobs of one module, for an operator."""

    def __init__(self, store: Store, module: str, *, jobs: Jobs) -> None:
        self.store, self.module, self.jobs = store, module, jobs
        t = self.table = tables_of(module).job
        ended = t.c.state.in_([STATES[state] for state in ("failed", "expired", "cancelled")])
        mine = t.c.id == bindparam("job", type_=String)
        again: dict[str, Any] = dict(
            state=STATES["queued"], attempt=0, released=0, fence=t.c.fence + 1, due=store.moment, cancelled=False,
            rank=store.moment - t.c.priority * AGE, rung=None, result=None, updated=store.moment, expires=None,
        )
        self.again = update(t).where(mine, ended, t.c.saga.is_(None)).values(**again).returning(t.c.id)
        self.counted = select(t.c.task, t.c.state, func.count()).group_by(t.c.task, t.c.state)

    async def listed(
        self, *, states: Sequence[State] = (), task: str | None = None, most: int = 100, before: str | None = None
    ) -> tuple[JobStatus, ...]:
        """The newest jobs first. `task`: without its module; `before`: only those older than the job of this id."""
        t = self.table
        query = select(t).order_by(t.c.id.desc()).limit(bindparam("most", type_=Integer))
        query = query.where(t.c.state.in_(states)) if states else query
        query = query.where(t.c.task == task) if task is not None else query
        query = query.where(t.c.id < before) if before is not None else query
        rows = await self.store.read(self.module, query, {"most": min(most, MOST)})
        return tuple(status_of(self.module, row) for row in rows.all())

    async def counts(self) -> dict[str, dict[str, int]]:
        """How many jobs there are, by task and state."""
        found: dict[str, dict[str, int]] = {}
        for task, state, count in (await self.store.read(self.module, self.counted)).all():
            found.setdefault(task, {})[state] = count
        return found

    async def detail(self, job: str) -> JobDetail | None:
        """All that is known of a job; None where there is none."""
        row = (await self.store.read(self.module, self.jobs.find, {"job": job})).first()
        if row is None:
            return None
        return JobDetail(
            status_of(self.module, row), priority=row.priority, weight=row.weight, fence=row.fence, input=row.input,
            checkpoint=row.checkpoint, saga=row.saga, unique=row.uniq,
        )

    async def cancel(self, job: str) -> bool:
        """See `Tasks.cancel`."""
        return await transact(self.store, self.module, lambda unit: self.jobs.cancel(unit, job))

    async def retry(self, job: str) -> bool:
        """Queue a job again that failed, expired or was cancelled, as if it were new. False where it is none of these,
        where another one of its `unique` is open, or where a saga was told of its end, which has gone on."""
        detail = await self.detail(job)
        if detail is None or (detail.unique is not None and await self.is_open(detail)):
            return False

        async def body(unit: Any) -> bool:
            unit.after.add(self.jobs.wake)
            return (await unit.execute(self.module, self.again, {"job": job})).first() is not None

        return await transact(self.store, self.module, body)

    async def is_open(self, detail: JobDetail) -> bool:
        """Whether a job like it is open."""
        name = detail.status.task.partition(".")[2]
        found = await self.store.read(self.module, self.jobs.find_unique, {"name": name, "only": detail.unique})
        return found.first() is not None

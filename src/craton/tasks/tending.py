"""Tending: jobs are taken from workers that are silent, stuck or too late; and given up where they were not begun."""

from __future__ import annotations

from collections.abc import Mapping
from random import SystemRandom
from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal_column, or_, select, update

from craton.data.store import Store, Unit, transact
from craton.data.tables import tables_of
from craton.failpoints import reach
from craton.task import Task
from craton.tasks.ends import Ended, Told
from craton.tasks.failing import Failure, after
from craton.tasks.jobs import STATES
from craton.tasks.rows import given, rows_of, same
from craton.tasks.settling import End, Settling

MARGIN = 30.0
"""Seconds after its time limit at which a job is taken from a worker that has not ended it; a child may take some to
start."""
NOBODY = "no worker began with it in time"
PIECE = 500
"""Jobs that are tended at once."""


class Tending:
    """Tends the jobs of one module; several processes may. `lease`: seconds."""

    def __init__(
        self, store: Store, module: str, tasks: Mapping[str, Task[Any, Any]], *, settling: Settling, lease: float
    ) -> None:
        self.store, self.module, self.tasks, self.settling = store, module, tasks, settling
        self.lease, self.random = lease, SystemRandom()
        t, now = tables_of(module).job, store.moment
        stuck = [self.late(task, task.stall, t.c.progressed) for task in tasks.values() if task.stall is not None]
        over = [self.late(task, task.timeout + MARGIN, t.c.started) for task in tasks.values()]
        silent = t.c.lease_until < now
        why = case((silent, "WorkerLost"), (or_(*over), "TimeLimit"), else_="Stalled").label("why")
        known = t.c.task.in_([literal_column(f"'{name}'") for name in tasks])
        self.find_lost = select(t.c.id, t.c.task, t.c.fence, t.c.attempt, t.c.released, t.c.worker, why).where(
            t.c.state == STATES["leased"], known, or_(silent, *over, *stuck)
        ).limit(PIECE)
        unbegun = and_(t.c.state == STATES["queued"], t.c.expires.is_not(None), t.c.expires < now, t.c.attempt == 0)
        self.find_expired = select(t.c.id).where(unbegun, known).limit(PIECE)
        v = rows_of(store, job=str)
        self.expire_all = update(t).where(same(store, t.c.id, v), unbegun).values(
            state=STATES["expired"], updated=now, code="Expired", error=NOBODY
        ).returning(t.c.id, t.c.task, t.c.saga, t.c.input, t.c.trace)

    def late(self, task: Task[Any, Any], seconds: float, since: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a job of a task has taken longer."""
        of_task = tables_of(self.module).job.c.task == literal_column(f"'{task.name}'")
        return and_(of_task, since < self.store.moment - literal_column(repr(float(seconds))))

    async def tend(self) -> int:
        """One round; how many jobs it concerned."""
        return await self.reap() + await self.expire()

    async def reap(self) -> int:
        """Take jobs from workers that have lost them, each as one that failed and may be tried again."""
        rows = (await self.store.read(self.module, self.find_lost)).all()
        reach("W9")

        async def body(unit: Unit) -> None:
            await self.settling.settle(unit, [self.outcome(row) for row in rows])  # those that are still leased

        if rows:
            await transact(self.store, self.module, body)
        return len(rows)

    def outcome(self, row: Any) -> End:
        """What becomes of a job that is taken from its worker."""
        task = self.tasks[row.task]
        said = {
            "WorkerLost": f"its worker {row.worker} has not been heard of for {self.lease:g} s",
            "TimeLimit": f"it took longer than {task.timeout:g} s",
            "Stalled": f"it made no progress for {task.stall or 0:g} s",
        }
        state, delay = after(
            Failure(row.why, said[row.why]), task, tries=row.attempt - row.released, random=self.random
        )
        lost = row.why == "WorkerLost"  # which is no fault of the job's: another worker has it at once
        return End(
            row.id, row.fence, state, 0.0 if lost else delay, skip=1, code=row.why, error=said[row.why]
        )

    async def expire(self) -> int:
        """Give up what was not begun in time."""
        found = (await self.store.read(self.module, self.find_expired)).scalars().all()

        async def body(unit: Unit) -> None:
            asked = given({"job": job} for job in found)
            for row in (await unit.execute(self.module, self.expire_all, asked)).all():
                ended = Ended(row.id, row.task, "expired", "Expired", NOBODY)
                await self.settling.ends.tell(unit, Told(ended, row.saga, row.input, row.trace))

        if found:
            await transact(self.store, self.module, body)
        return len(found)

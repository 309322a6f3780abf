"""Settling: how an attempt, or a job, ended is written down where its fence still holds, with what is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import case, func, literal_column, update

from craton.data.store import Store, Unit
from craton.data.tables import tables_of
from craton.task import State
from craton.tasks.ends import Ended, Ends, Told
from craton.tasks.jobs import AGE, STATES
from craton.tasks.rows import given, rows_of, same

QUEUED, LEASED, DONE, CANCELLED = STATES["queued"], STATES["leased"], STATES["done"], STATES["cancelled"]


class End(msgspec.Struct, frozen=True):
    """What becomes of a job that was leased under a fence.

    `delay`: seconds until it is due, where it is queued again; `back`: 1 where the attempt does not count. `skip`: what
    is added to the fence, so that what the worker still reports is refused. `result`: JSON.
    """

    job: str
    fence: int
    state: State
    delay: float = 0.0
    back: int = 0
    skip: int = 0
    code: str | None = None
    error: str | None = None
    result: str | None = None


class Beat(msgspec.Struct, frozen=True):
    """A worker is alive. `progress` from 0 to 1, and `checkpoint` as JSON, where it has made some."""

    job: str
    fence: int
    progress: float | None = None
    checkpoint: str | None = None


class Settling:
    """Settles the jobs of one module. `lease`: seconds."""

    def __init__(self, store: Store, module: str, *, ends: Ends, lease: float) -> None:
        self.store, self.module, self.ends = store, module, ends
        t, now = tables_of(module).job, store.moment
        v = rows_of(
            store, job=str, fence=int, state=str, delay=float, back=int, skip=int, code=str, error=str, result=str
        )
        state = case((t.c.cancelled & (v.c.state != DONE), CANCELLED), else_=v.c.state)
        again = state == QUEUED
        due = case((again, now + v.c.delay), else_=t.c.due)
        changes: dict[str, Any] = dict(
            state=state, due=due, rank=due - t.c.priority * literal_column(repr(AGE)), rung=None, updated=now,
            released=t.c.released + v.c.back, fence=t.c.fence + v.c.skip, code=v.c.code, error=v.c.error,
            result=v.c.result, progress=case((v.c.state == DONE, literal_column("1.0")), else_=t.c.progress),
            worker=case((again, None), else_=t.c.worker),
        )
        held = t.c.fence == v.c.fence, t.c.state == LEASED
        failed = t.c.state.in_((STATES["failed"], STATES["expired"]))
        told = (t.c.id, t.c.task, t.c.state, t.c.code, t.c.error, t.c.result, t.c.saga, t.c.trace)
        self.settle_all = update(t).where(same(store, t.c.id, v), *held).values(**changes).returning(
            *told, case((failed, t.c.input), else_="").label("input")
        )
        v = rows_of(store, job=str, fence=int, progress=float, checkpoint=str)
        held = t.c.fence == v.c.fence, t.c.state == LEASED
        moved = (v.c.progress.is_not(None) & (v.c.progress != t.c.progress)) | v.c.checkpoint.is_not(None)
        self.beat_all = update(t).where(same(store, t.c.id, v), *held).values(
            lease_until=now + literal_column(repr(lease)), progress=func.coalesce(v.c.progress, t.c.progress),
            checkpoint=func.coalesce(v.c.checkpoint, t.c.checkpoint),
            progressed=case((moved, now), else_=t.c.progressed),
        ).returning(t.c.id, t.c.cancelled)

    async def settle(self, unit: Unit, ends: Sequence[End]) -> dict[str, State]:
        """Write down ends, at most one for each job, and tell of the jobs that ended. Those that were the worker's,
        with what they have become: a job that was to be cancelled is queued by no failure."""
        if not ends:
            return {}
        rows = (await unit.execute(self.module, self.settle_all, given(ends))).all()
        for row in rows:
            if row.state != "queued":
                ended = Ended(row.id, row.task, row.state, row.code or "", row.error or "", row.result)
                await self.ends.tell(unit, Told(ended, row.saga, row.input, row.trace))
        return {row.id: row.state for row in rows}

    async def beat(self, unit: Unit, beats: Sequence[Beat]) -> dict[str, bool]:
        """Extend leases, at most once for each job; those that were the worker's, and whether they are to stop."""
        if not beats:
            return {}
        rows = (await unit.execute(self.module, self.beat_all, given(beats))).all()
        return {row.id: row.cancelled for row in rows}

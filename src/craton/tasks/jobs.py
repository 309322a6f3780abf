"""The jobs of one module, as its transactions change them: added, cancelled, asked about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from sqlalchemy import ColumnClause, ColumnElement, Float, String, bindparam, func, literal_column, select, update

from craton.calls import codec
from craton.calls.context import CONTEXT
from craton.data.job_table import UNENDED
from craton.data.store import Store, Unit
from craton.data.tables import tables_of
from craton.sources import Ids
from craton.task import JobStatus, State, Task
from craton.tasks.ends import Ended, Ends, Told
from craton.values import Value

if TYPE_CHECKING:
    from craton.tasks.claims import Claims, Waiter

AGE = 60.0
"""Seconds of waiting that count as much as one step of priority: so nothing starves."""
STATES: dict[str, ColumnClause[Any]] = {name: literal_column(f"'{name}'") for name in get_args(State)}
"""Written out, so that the small indexes are found to fit."""


class Jobs:
    """`wake`: called after the commit that adds a job which is due. `claims`: of those who wait for one."""

    def __init__(
        self, store: Store, module: str, *, ids: Ids, ends: Ends, claims: Claims, wake: Callable[[], None]
    ) -> None:
        self.store, self.module, self.ids, self.ends, self.wake = store, module, ids, ends, wake
        self.claims = claims
        self.table = t = tables_of(module).job
        due = func.coalesce(bindparam("at", type_=Float), store.moment + bindparam("delay", type_=Float))
        fixed: dict[str, Any] = dict(
            state="queued", attempt=0, released=0, fence=0, progress=0.0, cancelled=False, created=store.moment,
            updated=store.moment, due=due, rank=due - bindparam("ahead", type_=Float),
            expires=due + bindparam("patience", type_=Float),
        )
        self.insert = store.insert(t).values(**fixed).inline()
        self.insert_leased = self.insert.values(**claims.begun, attempt=1, fence=1)
        only = t.c.uniq.is_not(None) & t.c.state.in_([literal_column(f"'{state}'") for state in UNENDED])
        self.insert_unique = self.insert.on_conflict_do_nothing().returning(t.c.id)
        self.find_unique = select(t.c.id).where(t.c.task == bindparam("name"), t.c.uniq == bindparam("only"), only)
        mine, told = t.c.id == bindparam("job", type_=String), (t.c.task, t.c.saga, t.c.input, t.c.trace)
        stopped: dict[str, Any] = dict(updated=store.moment, cancelled=True)
        self.cancel_queued = update(t).where(mine, self.state("queued")).values(
            **stopped, state=STATES["cancelled"]
        ).returning(*told)
        self.cancel_leased = update(t).where(mine, self.state("leased")).values(**stopped).returning(t.c.id)
        self.find = select(t).where(mine)

    def state(self, name: str) -> ColumnElement[bool]:
        """Whether a job is in a state."""
        return self.table.c.state == STATES[name]

    async def add(  # its options are those of Tasks.submit
        self, unit: Unit, task: Task[Any, Any], input: Value,
        *, delay: float = 0.0, at: float | None = None, priority: int | None = None, unique: str | None = None,
        saga: str | None = None, id: str | None = None,
    ) -> str:
        """Store a job, as part of a transaction; its id, or that of the open one which has the same `unique`.

        `at`: seconds since 1970. `saga`: what its end is told to. `id`: where it is fixed already; a job that has this
        id is the same job.
        """
        level = task.priority if priority is None else priority
        row: dict[str, Any] = dict(
            id=id or self.ids.new("job"), task=task.name, queue=task.queue, uniq=unique, priority=level,
            weight=task.weight, input=codec.to_json(input).decode(), saga=saga, trace=CONTEXT.get().trace,
            at=at, delay=delay, ahead=level * AGE, patience=task.expires,
        )
        if unique is None and id is None:
            now = at is None and delay <= 0
            await self.add_new(unit, row, self.claims.choose(task) if now else None)
            return str(row["id"])
        unit.after.add(self.wake)
        return await self.add_once(unit, row)

    async def add_new(self, unit: Unit, row: dict[str, Any], waiter: Waiter | None) -> None:
        """Store a job; where somebody waits for it, as leased to him."""
        if waiter is None:
            unit.after.add(self.wake)
            await unit.later(self.module, self.insert, row)
        else:
            unit.after.add(partial(self.claims.tell_of, row["id"], waiter))
            await unit.later(self.module, self.insert_leased, row | {"worker": waiter.hand.asked.worker})

    async def add_once(self, unit: Unit, row: dict[str, Any]) -> str:
        """Store a job unless it, or one like it, is there."""
        if (await unit.execute(self.module, self.insert_unique, row)).first() is None and row["uniq"] is not None:
            asked = {"name": row["task"], "only": row["uniq"]}
            found = (await unit.execute(self.module, self.find_unique, asked)).scalar()
            return str(found or row["id"])
        return str(row["id"])

    async def cancel(self, unit: Unit, job: str) -> bool:
        """Cancel a job that is queued, or have its worker told to stop; False where it has ended, or there is none."""
        row = (await unit.execute(self.module, self.cancel_queued, {"job": job})).first()
        if row is None:
            return (await unit.execute(self.module, self.cancel_leased, {"job": job})).first() is not None
        await self.ends.tell(unit, Told(Ended(job, row.task, "cancelled"), row.saga, row.input, row.trace))
        return True

    async def status(self, job: str) -> JobStatus | None:
        """How far a job is."""
        row = (await self.store.read(self.module, self.find, {"job": job})).first()
        return None if row is None else status_of(self.module, row)


def status_of(module: str, row: Any) -> JobStatus:
    """A row as people see it."""
    return JobStatus(
        id=row.id, task=f"{module}.{row.task}", queue=row.queue, state=row.state, attempt=row.attempt - row.released,
        progress=row.progress, cancelled=row.cancelled, worker=row.worker or "", due=moment(row.due),
        created=moment(row.created), updated=moment(row.updated), code=row.code or "", error=row.error or "",
        result=row.result if row.state == "done" else None,
    )


def moment(seconds: float) -> datetime:
    """A time of the database."""
    return datetime.fromtimestamp(seconds, UTC)

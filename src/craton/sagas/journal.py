"""The journal: what a saga has done, buffered until something goes outside, committed with the steps it describes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, insert, select, update

from craton.calls import codec
from craton.calls.context import Caller
from craton.data.inbox import Answer, Inbox, Keyed
from craton.data.store import Store, Unit
from craton.data.tables import tables_of

LEASE = 10.0
"""Seconds that a saga stays with the process that runs it unless that process renews it."""


class LeaseLost(BaseException):
    """Another process has taken the saga over: this one must stop, and leave no trace."""


class Answered(BaseException):
    """The saga's key turned out, inside its first transaction, to be taken."""


@dataclass(slots=True)
class Entry:
    """One step. `status`: asked, done, fault, failed, undone (or nothing to undo)."""

    method: str
    arguments: bytes
    status: str
    answer: bytes | None = None
    type: str | None = None
    undo: str | None = None
    undo_arguments: bytes | None = None


@dataclass(slots=True)
class Record:
    """A saga's own row. Its call's key is its id; `keyed` tells whether the inbox holds it."""

    id: str
    call: Keyed
    keyed: bool
    caller: bytes
    subject: str = ""
    state: str = "running"
    cause: Answer | None = None
    fence: int = 1
    stored: bool = False
    entries: dict[int, Entry] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)


class Journal:
    """Reads and writes the sagas of one module."""

    def __init__(self, store: Store, module: str, inbox: Inbox, owner: str) -> None:
        self.store, self.module, self.inbox, self.owner = store, module, inbox, owner
        tables = tables_of(module)
        self.saga, self.journal = tables.saga, tables.journal

    async def write(self, unit: Unit, record: Record, final: Answer | None) -> None:
        """What is buffered. A saga that ends without ever having been stored leaves its answer under its key alone."""
        now = await self.store.now()
        if final is None and not record.stored:
            await self.open(unit, record, now)
        elif record.stored:
            await self.update(unit, record, now)
        if final is None or record.stored:
            for step in sorted(record.dirty):
                await self.write_entry(unit, record.id, step, record.entries[step])
        await self.write_answer(unit, record, final)

    async def open(self, unit: Unit, record: Record, now: float) -> None:
        """The saga's row, and its key's."""
        row = dict(
            id=record.id, keyed=record.keyed, method=record.call.name, arguments=record.call.arguments,
            caller=record.caller, state=record.state, owner=self.owner, lease_until=now + LEASE, fence=record.fence,
            attempts=1, created=now, updated=now,
        )
        await unit.execute(self.module, insert(self.saga), {**row, **self.cause(record)})
        if record.keyed:
            await self.inbox.put(unit, record.call, status="running", owner=record.subject)

    async def update(self, unit: Unit, record: Record, now: float) -> None:
        """The saga's row again; LeaseLost where the fence has moved on."""
        statement = update(self.saga).where(self.saga.c.id == record.id, self.saga.c.fence == record.fence)
        values = dict(state=record.state, updated=now, lease_until=now + LEASE, **self.cause(record))
        done = await unit.execute(self.module, statement.values(**values))
        if done.rowcount == 0:
            raise LeaseLost(record.id)

    def cause(self, record: Record) -> dict[str, Any]:
        """Why it is undone, or how it ended."""
        cause = record.cause
        if cause is None:
            return dict(type=None, answer=None)
        return dict(type=f"{cause.status}:{cause.type or ''}", answer=cause.body)

    async def write_entry(self, unit: Unit, saga: str, step: int, entry: Entry) -> None:
        """One step's row, whether or not there was one."""
        t = self.journal
        await unit.execute(self.module, delete(t).where(t.c.saga == saga, t.c.step == step))
        values = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
        await unit.execute(self.module, insert(t), dict(saga=saga, step=step, **values))

    async def write_answer(self, unit: Unit, record: Record, final: Answer | None) -> None:
        """The final answer under the saga's key."""
        if final is None or not record.keyed:
            return
        values: dict[str, Any] = dict(status=final.status, answer=final.body, type=final.type)
        if record.stored:
            await self.inbox.change(unit, record.id, **values)
        else:
            await self.inbox.put(unit, record.call, owner=record.subject, **values)

    async def read(self, id: str) -> Record | None:
        """A stored saga with its steps."""
        s, j = self.saga, self.journal
        row = (await self.store.read(self.module, select(s).where(s.c.id == id))).mappings().first()
        if row is None:
            return None
        steps = (await self.store.read(self.module, select(j).where(j.c.saga == id).order_by(j.c.step))).mappings()
        entries = {e["step"]: Entry(**{name: e[name] for name in Entry.__dataclass_fields__}) for e in steps}
        status, _, kind = (row["type"] or "").partition(":")
        cause = Answer(status, row["answer"], kind) if status else None
        caller = codec.decode(Caller, row["caller"])
        call = Keyed(row["method"], id, row["arguments"], codec.fingerprint(row["method"], row["arguments"]))
        return Record(
            id, call, row["keyed"], row["caller"], caller.subject, row["state"], cause, row["fence"], True, entries
        )

    async def abandoned(self, mine: set[str]) -> list[tuple[str, int]]:
        """Sagas that nobody runs, with their fences: the lease has run out, or its owner died with its process."""
        s = self.saga
        query = select(s.c.id, s.c.fence).where(s.c.state.in_(("running", "undoing")))
        if not self.store.exclusive:
            query = query.where(s.c.lease_until < await self.store.now())
        rows = await self.store.read(self.module, query.limit(200))
        return [(id, fence) for id, fence in rows.all() if id not in mine]

    async def claim(self, unit: Unit, id: str, fence: int) -> bool:
        """Take a saga over; whoever held it loses it, since the fence moves on."""
        s = self.saga
        statement = update(s).where(s.c.id == id, s.c.fence == fence, s.c.state.in_(("running", "undoing")))
        until = await self.store.now() + LEASE
        values = dict(owner=self.owner, lease_until=until, fence=fence + 1, attempts=s.c.attempts + 1)
        return bool((await unit.execute(self.module, statement.values(**values))).rowcount)

    async def renew(self, unit: Unit, ids: set[str]) -> None:
        """Keep the sagas that run here."""
        s = self.saga
        statement = update(s).where(s.c.id.in_(ids), s.c.owner == self.owner)
        await unit.execute(self.module, statement.values(lease_until=await self.store.now() + LEASE))

"""The journal: what a saga has done, buffered until something goes outside, committed with the steps it describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, or_, select, tuple_, update

from craton.calls import codec
from craton.calls.context import Caller
from craton.data.inbox import Answer, Inbox, Keyed
from craton.data.store import Store, Unit
from craton.data.tables import tables_of

LEASE = 10.0
"""Seconds that a saga stays with the process that runs it unless that process renews it."""
MOST = 50
"""Sagas that are taken over at once: what is left may go to another replica."""
OPEN = ("running", "undoing")


class LeaseLost(BaseException):
    """Another process has taken the saga over: this one must stop, and leave no trace."""


class Answered(BaseException):
    """The saga was answered, or is being carried out, elsewhere: look again."""


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
    owner: str = ""
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
        await self.write_key(unit, record, final)
        if final is None or record.stored:
            await self.write_saga(unit, record)
            for step in sorted(record.dirty):
                await self.write_entry(unit, record.id, step, record.entries[step])

    async def write_key(self, unit: Unit, record: Record, final: Answer | None) -> None:
        """What stands under the saga's key: that it runs, or its answer. Taken where the key is another saga's."""
        if not record.keyed:
            return
        if record.stored and final is not None:
            await self.inbox.finish(unit, record.call, final)
        elif not record.stored:
            answer = final or Answer("running")
            values = dict(status=answer.status, answer=answer.body, type=answer.type)
            await self.inbox.put(unit, record.call, owner=record.subject, **values)

    async def write_saga(self, unit: Unit, record: Record) -> None:
        """The saga's row; LeaseLost where the fence has moved on."""
        now, t = self.store.moment, self.saga
        changing = dict(state=record.state, updated=now, lease_until=now + LEASE, **self.cause(record))
        row = dict(
            id=record.id, keyed=record.keyed, method=record.call.name, arguments=record.call.arguments,
            caller=record.caller, owner=self.owner, fence=record.fence, attempts=1, created=now,
        )
        mine = and_(t.c.owner == self.owner, t.c.fence == record.fence)
        statement = self.store.insert(t).values(**row, **changing).on_conflict_do_update(
            index_elements=["id"], set_=changing, where=mine
        )
        if not (await unit.execute(self.module, statement)).rowcount:
            raise LeaseLost(record.id)

    def cause(self, record: Record) -> dict[str, Any]:
        """Why it is undone, or how it ended."""
        cause = record.cause
        if cause is None:
            return dict(type=None, answer=None)
        return dict(type=f"{cause.status}:{cause.type or ''}", answer=cause.body)

    async def write_entry(self, unit: Unit, saga: str, step: int, entry: Entry) -> None:
        """One step's row, whether or not there was one."""
        values = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
        statement = self.store.insert(self.journal).values(saga=saga, step=step, **values)
        changed = statement.on_conflict_do_update(index_elements=["saga", "step"], set_=values)
        await unit.execute(self.module, changed)

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
            id, call, row["keyed"], row["caller"], subject=caller.subject, state=row["state"], cause=cause,
            owner=row["owner"], fence=row["fence"], stored=True, entries=entries,
        )

    async def check(self, record: Record) -> Record | None:
        """What is stored of a saga that runs here; LeaseLost where another process has it, or began it first."""
        stored = await self.read(record.id)
        if stored is not None and (stored.owner, stored.fence) != (self.owner, record.fence):
            raise LeaseLost(record.id)
        return stored

    async def abandoned(self, mine: set[str]) -> list[tuple[str, int]]:
        """Sagas that nobody runs, with their fences: they broke off here, or whoever had them is past the lease."""
        s = self.saga
        query = select(s.c.id, s.c.fence).where(s.c.state.in_(OPEN))
        if not self.store.exclusive:
            query = query.where(or_(s.c.lease_until < self.store.moment, s.c.owner == self.owner))
        rows = await self.store.read(self.module, query.where(s.c.id.not_in(mine)).order_by(s.c.updated).limit(MOST))
        return [(id, fence) for id, fence in rows.all()]

    async def claim(self, unit: Unit, found: Sequence[tuple[str, int]]) -> list[str]:
        """Take over those that are still as they were found; whoever held one loses it, since its fence moves on."""
        s = self.saga
        statement = update(s).where(tuple_(s.c.id, s.c.fence).in_(found), s.c.state.in_(OPEN)).returning(s.c.id)
        until = self.store.moment + LEASE
        values = dict(owner=self.owner, lease_until=until, fence=s.c.fence + 1, attempts=s.c.attempts + 1)
        return list((await unit.execute(self.module, statement.values(**values))).scalars())

    async def renew(self, unit: Unit, ids: set[str]) -> None:
        """Keep the sagas that run here."""
        s = self.saga
        statement = update(s).where(s.c.id.in_(ids), s.c.owner == self.owner)
        await unit.execute(self.module, statement.values(lease_until=self.store.moment + LEASE))

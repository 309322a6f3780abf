"""The journal: what a saga has done, buffered until something goes outside, committed with the steps it describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Executable, and_, bindparam, case, or_, select, update

from craton.calls import codec
from craton.calls.context import Caller
from craton.data.inbox import Answer, Inbox, Keyed
from craton.data.store import Store, Unit
from craton.data.tables import tables_of
from craton.sources import Clock

LEASE = 10.0
"""Seconds that a saga stays with the process that runs it unless that process renews it."""
AT_ONCE = 50
"""Sagas that are taken over at once: what is left may go to another replica."""
OPEN = ("running", "undoing")
ENDED = ("done", "fault", "failed")


class LeaseLost(BaseException):
    """Another process has taken the saga over: this one must stop, and leave no trace."""


class Answered(BaseException):
    """The saga was answered, or is being carried out, elsewhere: look again."""


class PutDown(BaseException):
    """The saga waits, in the database alone, until it is due or until what it waits for arrives."""


@dataclass(slots=True)
class Entry:
    """One step, `now`, `sleep`, or wait for an event. `status`: asked, done, fault, failed, undone (or nothing to
    undo). While it waits, `answer` holds until when."""

    method: str
    arguments: bytes
    status: str
    answer: bytes | None = None
    type: str | None = None
    undo: str | None = None
    undo_arguments: bytes | None = None


@dataclass(slots=True)
class Record:
    """A saga's own row. Its call's key is its id; `keyed` tells whether the inbox holds it. `version` is that of the
    code it began with; `cause`, how it ended, or why it is undone; `error`, why it is parked. One that is put down
    goes on when it is `due`, in seconds since 1970, or when the event arrives that it `awaits`.
    """

    id: str
    call: Keyed
    keyed: bool
    caller: bytes
    subject: str = ""
    version: int = 1
    state: str = "running"
    cause: Answer | None = None
    error: str | None = None
    due: float | None = None
    awaits: str | None = None
    owner: str = ""
    fence: int = 1
    stored: bool = False
    entries: dict[int, Entry] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)


Look = tuple[Executable, list[str]]
"""A statement, and the parameters that it takes."""
FIELDS = tuple(Entry.__dataclass_fields__)
CHANGING = ("state", "type", "answer", "error", "due", "awaits", "updated", "lease_until")
"""The columns of a saga's row that change while one process has it."""


class Journal:
    """Reads and writes the sagas of one module. `versions` holds those of its methods, by wire name."""

    def __init__(self, store: Store, module: str, inbox: Inbox, *, owner: str, clock: Clock) -> None:
        self.store, self.module, self.inbox, self.owner, self.clock = store, module, inbox, owner, clock
        self.versions: dict[str, int] = {}
        self.looks: tuple[Look, ...] = ()
        tables = tables_of(module)
        self.saga, self.journal = tables.saga, tables.journal
        now = store.moment
        row = store.insert(s := self.saga).values(attempts=1, created=now, updated=now, lease_until=now + LEASE)
        mine = and_(s.c.owner == row.excluded.owner, s.c.fence == row.excluded.fence)
        changes = {name: row.excluded[name] for name in CHANGING}
        self.put_saga = row.on_conflict_do_update(index_elements=["id"], set_=changes, where=mine)
        here = and_(s.c.id == bindparam("found"), s.c.fence == bindparam("seen"), s.c.state.in_((*OPEN, "waiting")))
        self.take = update(s).where(here).values(
            owner=owner, lease_until=now + LEASE, fence=s.c.fence + 1, attempts=s.c.attempts + 1,
            state=case((s.c.state == "waiting", "running"), else_=s.c.state), due=None, awaits=None,
        )
        step = store.insert(self.journal)
        changes = {name: step.excluded[name] for name in FIELDS}
        self.put_entry = step.on_conflict_do_update(index_elements=["saga", "step"], set_=changes)

    # ------------------------------------------------------------------ one saga

    async def write(self, unit: Unit, record: Record, final: Answer | None) -> None:
        """What is buffered. A saga that ends without ever having been stored leaves its answer under its key alone."""
        await self.write_key(unit, record, final)
        if final is None or record.stored:
            await self.write_saga(unit, record)
            await self.write_entries(unit, record.id, {step: record.entries[step] for step in sorted(record.dirty)})

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
        kind, answer = None, None
        if (cause := record.cause) is not None:
            kind, answer = f"{cause.status}:{cause.type or ''}", cause.body
        row = dict(
            id=record.id, keyed=record.keyed, method=record.call.name, arguments=record.call.arguments,
            caller=record.caller, version=record.version, owner=self.owner, fence=record.fence, state=record.state,
            type=kind, answer=answer, error=record.error, due=record.due, awaits=record.awaits,
        )
        if not (await unit.execute(self.module, self.put_saga, row)).rowcount:
            raise LeaseLost(record.id)

    async def write_entries(self, unit: Unit, saga: str, entries: Mapping[int, Entry]) -> None:
        """The rows of some steps, whether or not there were any."""
        for step, entry in entries.items():
            row = dict(saga=saga, step=step, **{name: getattr(entry, name) for name in FIELDS})
            await unit.later(self.module, self.put_entry, row)

    async def read(self, id: str) -> Record | None:
        """A stored saga with its steps."""
        s, j = self.saga, self.journal
        row = (await self.store.read(self.module, select(s).where(s.c.id == id))).mappings().first()
        if row is None:
            return None
        steps = (await self.store.read(self.module, select(j).where(j.c.saga == id).order_by(j.c.step))).mappings()
        entries = {e["step"]: Entry(**{name: e[name] for name in FIELDS}) for e in steps}
        status, _, kind = (row["type"] or "").partition(":")
        caller = codec.decode(Caller, row["caller"])
        call = Keyed(row["method"], id, row["arguments"], codec.fingerprint(row["method"], row["arguments"]))
        return Record(
            id, call, row["keyed"], row["caller"], subject=caller.subject, version=row["version"], state=row["state"],
            cause=Answer(status, row["answer"], kind) if status else None, error=row["error"], due=row["due"],
            awaits=row["awaits"], owner=row["owner"], fence=row["fence"], stored=True, entries=entries,
        )

    async def check(self, record: Record) -> Record | None:
        """What is stored of a saga that runs here; LeaseLost where another process has it, or began it first."""
        stored = await self.read(record.id)
        if stored is not None and (stored.owner, stored.fence) != (self.owner, record.fence):
            raise LeaseLost(record.id)
        return stored

    # ------------------------------------------------------------------ those that nobody runs

    async def abandoned(self, mine: set[str]) -> list[tuple[str, int]]:
        """Sagas that nobody runs, with their fences: they broke off here, whoever had them is past the lease, or they
        are due. Not those of code that is not here: of other releases, which may still run somewhere."""
        found: list[tuple[str, int]] = []
        given = {"mine": list(mine), "me": self.owner, "now": self.clock.now().timestamp()}
        for look, names in self.looks or self.prepare():
            rows = await self.store.read(self.module, look, {name: given[name] for name in names})
            found += [(id, fence) for id, fence in rows.all()]
        return found

    def prepare(self) -> tuple[Look, ...]:
        """The two looks, for what broke off and for what is due: made once, since they are made every moment."""
        s = self.saga
        known = or_(*(and_(s.c.method == name, s.c.version <= version) for name, version in self.versions.items()))
        others = s.c.id.not_in(bindparam("mine", expanding=True))
        base: Any = select(s.c.id, s.c.fence).where(known, others).limit(AT_ONCE)
        broken, names = base.where(s.c.state.in_(OPEN)).order_by(s.c.updated), ["mine"]
        if not self.store.exclusive:
            broken = broken.where(or_(s.c.lease_until < self.store.moment, s.c.owner == bindparam("me")))
            names.append("me")
        due = base.where(s.c.state == "waiting", s.c.due <= bindparam("now")).order_by(s.c.due)
        self.looks = ((broken, names), (due, ["mine", "now"]))
        return self.looks

    async def claim(self, unit: Unit, found: Sequence[tuple[str, int]]) -> list[str]:
        """Take over those that are still as they were found; whoever held one loses it, since its fence moves on."""
        taken = []
        for id, fence in found:
            if (await unit.execute(self.module, self.take, {"found": id, "seen": fence})).rowcount:
                taken.append(id)
        return taken

    async def renew(self, unit: Unit, ids: set[str]) -> None:
        """Keep the sagas that run here."""
        s = self.saga
        statement = update(s).where(s.c.id.in_(ids), s.c.owner == self.owner)
        await unit.execute(self.module, statement.values(lease_until=self.store.moment + LEASE))

    async def retry(self, unit: Unit, id: str) -> bool:
        """Put a parked saga back where it was: on its way, or on its way back. False where it is not parked."""
        s = self.saga
        state = case((s.c.type.is_(None), "running"), else_="undoing")
        statement = update(s).where(s.c.id == id, s.c.state == "parked")
        values = dict(state=state, error=None, lease_until=0.0, updated=self.store.moment)
        return bool((await unit.execute(self.module, statement.values(**values))).rowcount)

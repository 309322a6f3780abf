"""The inbox: what a module has already answered, by idempotency key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Float, and_, bindparam, literal_column, select
from sqlalchemy.exc import IntegrityError

from craton.calls import codec
from craton.contract import Method
from craton.data.store import Conflict, Store, Unit
from craton.data.tables import tables_of
from craton.errors import Failed, KeyReused, StillRunning, Withdrawn
from craton.values import Fault


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A final answer: `status` is "done", "fault", "failed" or "tombstone"."""

    status: str
    body: bytes | None = None
    type: str | None = None

    def give(self, method: Method, name: str) -> Any:
        """The result, or the error, that the answer stands for."""
        if self.status == "done":
            return None if self.body is None else codec.decode(method.result, self.body)
        if self.status == "tombstone":
            raise Withdrawn(name)
        if self.status == "failed":
            raise Failed(name, self.type or "")
        fault = codec.decode_fault(method, self.type or "", self.body or b"")
        raise fault or Failed(name, f"it once answered {self.type}, which it no longer declares")


DONE = Answer("done")


def answer_of(result: object, fault: Fault | None) -> Answer:
    """The answer that a result or a fault makes."""
    if fault is None:
        return Answer("done", codec.encode(result))
    kind, body = codec.encode_fault(fault)
    return Answer("fault", body, kind)


class Keyed(msgspec.Struct, frozen=True, gc=False):
    """One call under a key: `fingerprint` tells it from another request; `undoes` is the key of the call it undoes."""

    name: str
    key: str
    arguments: bytes
    fingerprint: str
    undoes: str | None = None

    @classmethod
    def of(cls, name: str, method: Method, arguments: msgspec.Struct, key: str, undoes: str | None) -> Keyed:
        """The call of a method."""
        body = codec.record_arguments(method, arguments)
        return cls(name, key, body, codec.fingerprint(name, body), undoes)


@dataclass(frozen=True, slots=True)
class Row:
    """What the inbox holds under a key."""

    name: str
    fingerprint: str
    status: str
    answer: bytes | None
    type: str | None
    arguments: bytes | None
    owner: str | None
    lease_until: float | None

    def check(self, call: Keyed) -> None:
        """KeyReused where the key stands for another request. A tombstone fits every request."""
        if self.status != "tombstone" and self.fingerprint != call.fingerprint:
            raise KeyReused(call.name)

    @property
    def final(self) -> Answer | None:
        """The answer, once there is one."""
        return None if self.status == "running" else Answer(self.status, self.answer, self.type)


class Taken(Conflict):
    """Someone else has put something under the key in the meantime."""


class Inbox:
    """The inbox of one module.

    It is looked at outside any unit, and written by INSERT: in a SERIALIZABLE transaction of PostgreSQL, to search a
    small index means to conflict with everyone who adds to it. What is final never changes, so that what was found
    outside holds; what was not found may have come meanwhile, and then the insert finds it (Taken, or a Conflict).
    """

    def __init__(self, store: Store, module: str) -> None:
        self.store, self.module, self.table = store, module, (t := tables_of(module).inbox)
        names = ("method", "fingerprint", "status", "answer", "type", "arguments", "owner", "lease_until")
        self.select = select(*(t.c[name] for name in names)).where(t.c.key == bindparam("wanted"))
        self.add = store.insert(t).values(created=store.moment)
        self.insert = self.add.on_conflict_do_nothing(index_elements=["key"])
        self.lease = self.add.values(lease_until=store.moment + bindparam("seconds", type_=Float))
        row = store.insert(t).values(created=store.moment, lease_until=None)  # it is kept from now on
        changes = {name: row.excluded[name] for name in ("status", "answer", "type", "created", "lease_until")}
        still = t.c.status == literal_column("'running'")
        self.end = row.on_conflict_do_update(index_elements=["key"], set_=changes, where=still)

    async def look(self, key: str) -> Row | None:
        """What is committed under a key."""
        row = (await self.store.read(self.module, self.select, {"wanted": key})).first()
        return None if row is None else Row(*row)

    def row(self, call: Keyed, **values: Any) -> dict[str, Any]:
        """A row; what is not given is NULL."""
        return {"key": call.key, "method": call.name, "fingerprint": call.fingerprint, **values}

    async def put(self, unit: Unit, call: Keyed, **values: Any) -> None:
        """A new row; Taken where there is one."""
        if not (await unit.execute(self.module, self.insert, self.row(call, **values))).rowcount:
            raise Taken(f"{call.name}: its key was taken in the meantime")

    async def once(self, unit: Unit, key: str, name: str) -> bool:
        """Whether nothing stood under a key; now it is noted that what has it was done."""
        row = dict(key=key, method=name, fingerprint="", status="done")
        return bool((await unit.execute(self.module, self.insert, row)).rowcount)

    async def write(self, unit: Unit, call: Keyed, answer: Answer) -> None:
        """A final answer under a new key. Taken, or a Conflict at COMMIT, where there is one."""
        row = self.row(call, status=answer.status, answer=answer.body, type=answer.type)
        try:
            await unit.later(self.module, self.add, row)
        except IntegrityError as error:
            raise Taken(f"{call.name}: its key was taken in the meantime") from error

    async def intend(self, unit: Unit, call: Keyed, *, owner: str, seconds: float) -> None:
        """A new row of a call that its owner has so many seconds for, beside others of a saga. A Conflict where there
        is one."""
        row = self.row(call, status="running", arguments=call.arguments, owner=owner, seconds=seconds)
        try:
            await unit.later(self.module, self.lease, row)
        except IntegrityError as error:
            raise Conflict(f"{call.name}: something stands under its key") from error

    async def change(self, unit: Unit, call: Keyed, *, only: ColumnElement[bool] | None = None, **values: Any) -> bool:
        """Other values in a row that is running, and fits; False where there is none."""
        t = self.table
        row = dict(key=call.key, method=call.name, fingerprint=call.fingerprint, status="running", created=0.0)
        fits = (t.c.status == "running") if only is None else and_(t.c.status == "running", only)
        statement = self.store.insert(t).values(**row).on_conflict_do_update(
            index_elements=["key"], set_=values, where=fits
        )
        return bool((await unit.execute(self.module, statement)).rowcount)

    async def finish(self, unit: Unit, call: Keyed, answer: Answer) -> bool:
        """The final answer, in a row that is running; False where it has one already."""
        row = dict(key=call.key, method=call.name, fingerprint=call.fingerprint)
        ended = dict(status=answer.status, answer=answer.body, type=answer.type)
        return bool((await unit.execute(self.module, self.end, {**row, **ended})).rowcount)

    async def finish_later(self, unit: Unit, call: Keyed, answer: Answer) -> None:
        """The same for whoever has the only right to give it, with the unit's next statement."""
        row = dict(key=call.key, method=call.name, fingerprint=call.fingerprint)
        ended = dict(status=answer.status, answer=answer.body, type=answer.type)
        await unit.later(self.module, self.end, {**row, **ended})

    async def undoing(self, unit: Unit, call: Keyed) -> bool:
        """Whether an undo has something to undo. Where the original never came, a tombstone keeps it away for ever."""
        if call.undoes is None:
            return True
        original = await self.look(call.undoes)
        if original is None:
            await self.put(unit, Keyed(call.name, call.undoes, b"", ""), status="tombstone")
        elif original.status == "running":
            raise StillRunning(original.name)
        return original is not None and original.status == "done"

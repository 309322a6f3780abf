"""The inbox: what a module has already answered, by idempotency key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import bindparam, insert, select, update

from craton.calls import codec
from craton.contract import Method
from craton.data.store import Store, Unit
from craton.data.tables import tables_of
from craton.errors import Failed, KeyReused, StillRunning, Withdrawn
from craton.values import Fault


@dataclass(frozen=True, slots=True)
class Answer:
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


@dataclass(frozen=True, slots=True)
class Keyed:
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


class Inbox:
    """The inbox of one module. Each method is one statement in a running unit."""

    def __init__(self, module: str) -> None:
        self.module, self.table = module, (t := tables_of(module).inbox)
        names = ("method", "fingerprint", "status", "answer", "type", "arguments", "owner", "lease_until")
        self.select = select(*(t.c[name] for name in names)).where(t.c.key == bindparam("wanted"))
        self.insert = insert(t)
        self.update = update(t).where(t.c.key == bindparam("wanted"))

    async def find(self, unit: Unit, key: str) -> Row | None:
        """What stands under a key."""
        row = (await unit.execute(self.module, self.select, {"wanted": key})).first()
        return None if row is None else Row(*row)

    async def look(self, store: Store, key: str) -> Row | None:
        """What is committed under a key."""
        row = (await store.read(self.module, self.select, {"wanted": key})).first()
        return None if row is None else Row(*row)

    async def write(self, unit: Unit, call: Keyed, answer: Answer) -> None:
        """A final answer under a new key."""
        await self.put(unit, call, status=answer.status, answer=answer.body, type=answer.type)

    async def put(self, unit: Unit, call: Keyed, **values: Any) -> None:
        """A new row."""
        empty = dict(answer=None, type=None, arguments=None, owner=None, lease_until=None)
        row = dict(key=call.key, method=call.name, fingerprint=call.fingerprint, created=await unit.store.now())
        await unit.execute(self.module, self.insert, {**empty, **row, **values})

    async def change(self, unit: Unit, key: str, **values: Any) -> None:
        """Another state of an old row."""
        await unit.execute(self.module, self.update.values(**values), {"wanted": key})

    async def undoing(self, unit: Unit, call: Keyed) -> bool:
        """Whether an undo has something to undo. Where the original never came, a tombstone keeps it away for ever."""
        if call.undoes is None:
            return True
        original = await self.find(unit, call.undoes)
        if original is None:
            await self.put(unit, Keyed(call.name, call.undoes, b"", ""), status="tombstone")
        elif original.status == "running":
            raise StillRunning(original.name)
        return original is not None and original.status == "done"


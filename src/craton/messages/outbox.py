"""The outbox as the relay sees it: what is due, what became of it, and what is held back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import (
    Executable,
    Float,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from craton.data.store import Store, Unit, transact
from craton.data.tables import tables_of
from craton.failpoints import reach
from craton.messages.events import LEASE

BATCH = 200
"""Events that are relayed at once."""
HOLD = 120.0
"""Seconds after which an event is looked at again that waits for a destination to come back."""
CHUNK = 5000
"""Events that are let go at once when a destination is back."""


@dataclass(slots=True)
class Row:
    """One event that is relayed. `wait`: seconds until it is tried again."""

    position: int
    id: str
    stream: str
    type: str
    version: int
    body: str
    sequences: dict[str, int]
    pending: list[str]
    attempts: int
    trace: str
    created: float
    wait: float = HOLD


class Outbox:
    """The outbox of one module, for one of the processes that relay it.

    It is searched outside any unit, by its small index of what is stored, and changed by primary key: so that on
    PostgreSQL no command meets a conflict with it. A row belongs to the process that stored it, until its lease ends.
    """

    def __init__(self, store: Store, module: str, *, owner: str) -> None:
        self.store, self.module = store, module
        self.table = t = tables_of(module).outbox
        stored = t.c.status == literal_column("'stored'")  # written out, so that the small index is found to fit
        mine = stored if store.exclusive else and_(stored, t.c.owner == owner)
        due, chosen = t.c.due <= store.moment, t.c.position.in_(bindparam("found", expanding=True))
        names = [name for name in Row.__dataclass_fields__ if name != "wait"]
        found = select(*(t.c[name] for name in names)).where(mine, due)
        self.select_due = found.order_by(t.c.due, t.c.position).limit(BATCH)
        left, here = or_(t.c.owner.is_(None), t.c.lease_until < store.moment), select(t.c.position)
        self.select_left = here.where(stored, due, left).order_by(t.c.due).limit(BATCH)
        self.lease: dict[str, Any] = {} if store.exclusive else dict(owner=owner, lease_until=store.moment + LEASE)
        self.take = update(t).where(stored, left, chosen).values(**self.lease)
        self.mark = update(t).where(chosen).values(status="sent", pending="")
        later = store.moment + bindparam("wait", type_=Float)
        self.postpone = update(t).where(stored, t.c.position == bindparam("at")).values(
            pending=bindparam("left"), due=later, attempts=bindparam("tried")
        )
        for_one = (literal(",") + t.c.pending + ",").like(bindparam("name"))
        self.select_held = here.where(stored, t.c.due > store.moment, for_one).order_by(t.c.position).limit(CHUNK)
        self.free = update(t).where(stored, chosen).values(due=0.0)
        self.give_back = update(t).where(mine).values(owner=None, lease_until=None)

    async def due(self) -> list[Row]:
        """What is to be relayed now, in order."""
        return [row_of(row) for row in (await self.store.read(self.module, self.select_due)).all()]

    async def adopt(self) -> int:
        """Take over what was stored by a process that has not relayed it in time; how much that is."""
        found = (await self.store.read(self.module, self.select_left)).scalars().all()
        await self.change(self.take, found)
        return len(found)

    async def close(self) -> None:
        """Let other processes have at once what this one has not relayed."""
        if not self.store.exclusive:
            await transact(self.store, self.module, lambda unit: unit.execute(self.module, self.give_back))

    async def settle(self, rows: Sequence[Row]) -> None:
        """Write down what became of rows: one change for all that is done with."""
        reach("R3")
        done = [row.position for row in rows if not row.pending]
        left = [
            {"at": row.position, "left": ",".join(row.pending), "wait": row.wait, "tried": row.attempts}
            for row in rows if row.pending
        ]

        async def body(unit: Unit) -> None:
            if done:
                await unit.execute(self.module, self.mark, {"found": done})
            if left:
                await unit.execute(self.module, self.postpone, left)

        await transact(self.store, self.module, body)

    async def release(self, destination: str) -> None:
        """Let go what is held back for a destination; what is newer comes after it."""
        wanted = {"name": f"%,{destination},%"}
        while found := (await self.store.read(self.module, self.select_held, wanted)).scalars().all():
            await self.change(self.free, found)

    async def kept(self, destination: str, stream: str) -> list[tuple[int, int, bool]]:
        """The events of a stream for a destination: number, position, and whether it has confirmed them."""
        t, found = self.table.c, list[tuple[int, int, bool]]()
        query = select(t.position, t.sequences, t.pending).where(t.stream == stream, t.stream != literal_column("''"))
        for position, sequences, pending in (await self.store.read(self.module, query)).all():
            if (number := msgspec.json.decode(sequences).get(destination)) is not None:
                found.append((number, position, destination not in pending.split(",")))
        return found

    async def unsend_all(self, destination: str, *, retention: float) -> int:
        """Have all that inboxes still know sent once more, to a destination, or to all (""); how much that is."""
        t, after, count = self.table.c, 0, 0
        query = select(t.position, t.sequences, t.pending).where(
            t.created > self.store.moment - retention, t.position > bindparam("after")
        ).order_by(t.position).limit(CHUNK)
        while rows := (await self.store.read(self.module, query, {"after": after})).all():
            found: dict[str, list[int]] = {}
            for position, sequences, pending in rows:
                names = [name for name in msgspec.json.decode(sequences) if destination in ("", name)]
                again = ",".join(name for name in names if name not in pending.split(","))
                found.setdefault(again, []).append(position)
            found.pop("", None)
            for again, positions in found.items():
                await self.unsend(again, positions)
            after, count = rows[-1].position, count + sum(map(len, found.values()))
        return count

    async def unsend(self, names: str, positions: Sequence[int], *, attempts: int = 0) -> None:
        """Have events sent once more, to destinations, separated by commas, that have confirmed them."""
        pending = case((self.table.c.pending == "", names), else_=self.table.c.pending + f",{names}")
        again: dict[str, Any] = dict(status="stored", pending=pending, due=0.0, attempts=attempts)
        chosen = self.table.c.position.in_(bindparam("found", expanding=True))
        await self.change(update(self.table).where(chosen).values(**again, **self.lease), positions)

    async def change(self, statement: Executable, positions: Sequence[int]) -> None:
        """Change these, some at a time."""
        for start in range(0, len(positions), CHUNK):
            found = {"found": list(positions[start:start + CHUNK])}

            async def body(unit: Unit, found: dict[str, list[int]] = found) -> None:
                await unit.execute(self.module, statement, found)

            await transact(self.store, self.module, body)

    async def behind(self) -> tuple[int, float]:
        """How many events are stored and not sent, and the age of the oldest in seconds."""
        t = self.table.c
        query = select(func.count(), func.min(t.created), self.store.moment)
        count, oldest, now = (
            await self.store.read(self.module, query.where(t.status == literal_column("'stored'")))
        ).one()
        return count, max(0.0, now - oldest) if count else 0.0


def row_of(found: Any) -> Row:
    """A row as it was read."""
    sequences, pending = msgspec.json.decode(found.sequences), found.pending.split(",")
    return Row(**{**found._mapping, "sequences": sequences, "pending": pending})

"""Events that sagas may wait for: kept when they arrive, since one may come before the saga waits for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from craton.data.store import Conflict, Store, Unit
from craton.data.tables import tables_of

JOBS = "$jobs"
"""In place of an event's type: the end of a job. Its key is the saga and the step; of the saga alone, for failures."""


def awaited(kind: str, key: str) -> str:
    """What a saga waits for, as its row holds it."""
    return f"{kind}/{key}"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event: `id` is its message's, `body` what was stored with it, JSON."""

    id: str
    awaits: str
    version: int
    body: str


class Arrivals:
    """The arrivals of one module.

    Who waits looks outside any unit, and then meets what arrives at one row, that of the type and key: each writes it,
    so that one of them comes first. Neither searches, since on PostgreSQL whoever searches a small table in a
    SERIALIZABLE transaction conflicts with everyone who adds to it.
    """

    def __init__(self, store: Store, module: str) -> None:
        self.store, self.module = store, module
        tables = tables_of(module)
        self.saga, self.arrival, self.awaited = tables.saga, tables.arrival, tables.awaited
        row = store.insert(a := self.awaited).values(updated=store.moment)
        changes = dict(latest=row.excluded.latest, updated=row.excluded.updated)
        self.put_latest = row.on_conflict_do_update(index_elements=["awaits"], set_=changes)
        touched = dict(updated=row.excluded.updated)
        self.touch = row.on_conflict_do_update(index_elements=["awaits"], set_=touched).returning(a.c.latest)
        kept = store.insert(self.arrival).values(created=store.moment)
        self.put_arrival = kept.on_conflict_do_nothing(index_elements=["id"])

    async def record(self, unit: Unit, arrival: Arrival) -> None:
        """Keep an event, and bring on the sagas that wait for it."""
        one = dict(awaits=arrival.awaits, latest=arrival.id)
        await unit.execute(self.module, self.put_latest, one)
        row = dict(id=arrival.id, awaits=arrival.awaits, version=arrival.version, body=arrival.body)
        await unit.execute(self.module, self.put_arrival, row)
        s = self.saga
        waiting = update(s).where(s.c.state == "waiting", s.c.awaits == arrival.awaits)
        await unit.execute(self.module, waiting.values(due=0.0))

    async def alarm(self, unit: Unit, saga: str, job: str) -> None:
        """Bring a saga on whatever it waits for: one of its jobs has failed."""
        await unit.execute(self.module, self.put_latest, dict(awaits=awaited(JOBS, saga), latest=job))
        s = self.saga
        waiting = update(s).where(s.c.id == saga, s.c.state == "waiting")
        await unit.execute(self.module, waiting.values(due=0.0))

    async def told(self, ids: Sequence[str]) -> dict[str, str]:
        """What has arrived of these: the bodies, by id."""
        a = self.arrival
        rows = await self.store.read(self.module, select(a.c.id, a.c.body).where(a.c.id.in_(ids)))
        return {id: body for id, body in rows.all()}

    async def latest(self, awaits: str) -> str:
        """The id of the latest arrival; "" where there is none."""
        found = await self.store.read(self.module, select(self.awaited.c.latest).where(self.awaited.c.awaits == awaits))
        return found.scalar() or ""

    async def first(self, awaits: str, saga: str, *, given: Collection[str]) -> Arrival | None:
        """The first that came since a saga began, but for those that it has been given."""
        a, s = self.arrival, self.saga
        began = select(s.c.created).where(s.c.id == saga).scalar_subquery()
        query = select(a.c.id, a.c.awaits, a.c.version, a.c.body).where(
            a.c.awaits == awaits, a.c.created >= began, a.c.id.not_in(list(given))
        )
        row = (await self.store.read(self.module, query.order_by(a.c.created, a.c.id).limit(1))).first()
        return None if row is None else Arrival(*row)

    async def meet(self, unit: Unit, awaits: str, latest: str) -> None:
        """Begin to wait, in the transaction that puts the saga down. Conflict where one has come since the look."""
        found = (await unit.execute(self.module, self.touch, dict(awaits=awaits, latest=""))).scalar_one()
        if found != latest:
            raise Conflict(f"{awaits} arrived meanwhile")

"""Cleaning: sagas that have ended, and events that they may have waited for, are forgotten after a while."""

from __future__ import annotations

from functools import partial

from sqlalchemy import ColumnElement, Float, Table, bindparam, delete, select

from craton.data.store import Store, Unit, transact
from craton.data.tables import tables_of
from craton.sagas.journal import ENDED

Places = list[tuple[Table, ColumnElement[str]]]
PIECE = 500
"""Rows that are removed at once."""


class SagaCleaner:
    """Removes what is older than `retention` seconds. Parked sagas stay until somebody has looked after them."""

    def __init__(self, store: Store, module: str, *, retention: float) -> None:
        self.store, self.module, self.retention = store, module, retention
        tables = tables_of(module)
        old = store.moment - bindparam("retention", type_=Float)
        s, journal, arrival, awaited = tables.saga, tables.journal, tables.arrival, tables.awaited
        self.kinds: list[tuple[ColumnElement[str], ColumnElement[bool], Places]] = [
            (s.c.id, s.c.state.in_(ENDED) & (s.c.updated < old), [(journal, journal.c.saga), (s, s.c.id)]),
            (arrival.c.id, arrival.c.created < old, [(arrival, arrival.c.id)]),
            (awaited.c.awaits, awaited.c.updated < old, [(awaited, awaited.c.awaits)]),
        ]

    async def clean(self) -> int:
        """One piece of each kind; how many rows that were."""
        count = 0
        for key, old, places in self.kinds:
            query = select(key).where(old).limit(PIECE)
            found = list((await self.store.read(self.module, query, {"retention": self.retention})).scalars())
            count += len(found)
            if found:
                await transact(self.store, self.module, partial(self.remove, found, places))
        return count

    async def remove(self, found: list[str], places: Places, unit: Unit) -> None:
        """Remove these, wherever they stand."""
        for table, key in places:
            await unit.execute(self.module, delete(table).where(key.in_(found)))

"""Cleaning: sagas that have ended, and events that they may have waited for, are forgotten after a while."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Float,
    Table,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    select,
    true,
)

from craton.data.store import Store, Unit, transact
from craton.data.tables import tables_of
from craton.messages.cleaning import PIECE
from craton.sagas.journal import ENDED


class Kind(NamedTuple):
    """What is removed: rows of `table`, by their `key`, once they are `old`, and `idle`: nobody needs them. `parts` are
    columns that hold the key, too; their rows go first."""

    table: Table
    key: ColumnElement[str]
    old: ColumnElement[bool]
    idle: ColumnElement[bool] = true()
    parts: tuple[Column[str], ...] = ()


class SagaCleaner:
    """Removes what is older than `retention` seconds. Parked sagas stay until somebody has looked after them, and the
    events that came since a saga began stay until it has ended, however long that takes."""

    def __init__(self, store: Store, module: str, *, retention: float) -> None:
        self.store, self.module, self.retention = store, module, retention
        tables = tables_of(module)
        old = store.moment - bindparam("retention", type_=Float)
        s, arrival, awaited = tables.saga, tables.arrival, tables.awaited
        ended: Any = [literal_column(f"'{state}'") for state in ENDED]  # written out: so the small indexes are used
        began = select(func.min(s.c.created)).where(s.c.state.not_in(ended)).scalar_subquery()
        there = exists().where(arrival.c.awaits == awaited.c.awaits)
        self.kinds = [
            Kind(s, s.c.id, s.c.state.in_(ended) & (s.c.updated < old), parts=(tables.journal.c.saga,)),
            Kind(arrival, arrival.c.id, arrival.c.created < old, arrival.c.created < func.coalesce(began, old)),
            Kind(awaited, awaited.c.awaits, awaited.c.updated < old, ~there),
        ]

    async def clean(self) -> int:
        """One piece of each kind; how many rows that were."""
        count = 0
        for kind in self.kinds:
            query = select(kind.key).where(kind.old, kind.idle).limit(PIECE)
            found = list((await self.store.read(self.module, query, {"retention": self.retention})).scalars())
            count += len(found)
            if found:
                await transact(self.store, self.module, partial(self.remove, found, kind))
        return count

    async def remove(self, found: list[str], kind: Kind, unit: Unit) -> None:
        """Remove these, wherever they stand; but not what has become young again since they were found."""
        for key in kind.parts:
            await unit.execute(self.module, delete(key.table).where(key.in_(found)))
        old = delete(kind.table).where(kind.key.in_(found), kind.old)
        await unit.execute(self.module, old, {"retention": self.retention})

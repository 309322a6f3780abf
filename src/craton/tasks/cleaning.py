"""Cleaning: jobs that ended are forgotten after a while, oldest first, in small pieces."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, literal_column, select

from craton.data.job_table import UNENDED
from craton.data.store import Store, transact
from craton.data.tables import tables_of
from craton.tasks.rows import among, given

PIECE = 500
"""Jobs that are removed at once."""


class JobCleaner:
    """Cleans the jobs of one module: those that ended more than `retention` seconds ago."""

    def __init__(self, store: Store, module: str, *, retention: float) -> None:
        self.store, self.module = store, module
        t = tables_of(module).job
        ended = t.c.state.not_in([literal_column(f"'{state}'") for state in UNENDED])
        old = t.c.updated < store.moment - literal_column(repr(float(retention)))
        self.find = select(t.c.id).where(ended, old).order_by(t.c.updated).limit(PIECE)
        self.drop = delete(t).where(among(store, t.c.id), ended)

    async def clean(self) -> int:
        """Remove all that is old enough; how many."""
        count = 0
        while found := (await self.store.read(self.module, self.find)).scalars().all():
            await self.remove(found)
            count += len(found)
        return count

    async def remove(self, jobs: Sequence[str]) -> None:
        """Remove these."""
        rows = given({"job": job} for job in jobs)
        await transact(self.store, self.module, lambda unit: unit.execute(self.module, self.drop, rows))

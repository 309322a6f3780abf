"""Ringing: a broker is told of the jobs that are due, after they are durable, until it has confirmed it.

A job rings once for each time that it is queued, and again where nobody has come for it after a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import and_, literal_column, or_, select, update

from craton.calls.context import CONTEXT, Context
from craton.calls.retry import Backoff
from craton.data.store import Store, transact
from craton.data.tables import tables_of
from craton.failpoints import reach
from craton.messages.told import Told
from craton.task import Task
from craton.tasks.doorbell import Doorbell
from craton.tasks.jobs import STATES
from craton.tasks.messages import encode
from craton.tasks.requests import Form
from craton.tasks.rows import given, rows_of, same

BATCH = 500
"""Jobs that are rung for at once."""
POLL = 0.2
"""Seconds between two looks for jobs that have become due."""
AGAIN = 60.0
"""Seconds after which a job rings again that nobody has come for, and between two looks for such."""


class Ringing:
    """Rings for the jobs of one module; several processes may."""

    def __init__(
        self, store: Store, module: str, tasks: Mapping[str, Task[Any, Any]], *, form: Form, doorbell: Doorbell
    ) -> None:
        self.store, self.module, self.form, self.doorbell = store, module, form, doorbell
        self.signal, self.told = asyncio.Event(), Told(f"{module}: jobs could not be rung for")
        t, now = tables_of(module).job, store.moment
        due = and_(
            t.c.state == STATES["queued"], t.c.due <= now, t.c.task.in_([literal_column(f"'{n}'") for n in tasks])
        )
        wanted = select(*(t.c[name] for name in (*Form.NEEDS, "queue")))
        self.find = wanted.where(due, t.c.rung.is_(None)).order_by(t.c.due).limit(BATCH)
        lost = t.c.rung < now - literal_column(repr(AGAIN))
        self.find_again = wanted.where(due, or_(t.c.rung.is_(None), lost)).limit(BATCH)
        v = rows_of(store, job=str, fence=int)
        waits = t.c.fence == v.c.fence, t.c.state == STATES["queued"]
        self.mark = update(t).where(same(store, t.c.id, v), *waits).values(rung=now)

    def wake(self) -> None:
        """A job was stored, or given back."""
        self.signal.set()

    async def run(self) -> None:
        """For ever: ring for what is due."""
        CONTEXT.set(Context())
        loop, backoff = asyncio.get_running_loop(), Backoff(first=POLL, most=10.0)
        looked = loop.time()
        while True:
            again = loop.time() - looked > AGAIN
            looked = loop.time() if again else looked
            try:
                while await self.ring(self.find_again if again else self.find) >= BATCH:
                    pass
                self.told.good()
                backoff = Backoff(first=POLL, most=10.0)
                await self.pulse()
            except Exception as error:  # the broker, or the database, may be away for a while
                self.told.bad(error)
                await asyncio.sleep(backoff.pause())

    async def pulse(self) -> None:
        """Wait until it is time to look again."""
        try:
            async with asyncio.timeout(POLL):
                await self.signal.wait()
        except TimeoutError:
            return
        self.signal.clear()

    async def ring(self, statement: Any) -> int:
        """One round; how many jobs were rung for."""
        rows = sorted((await self.store.read(self.module, statement)).all(), key=lambda row: row.queue)
        if not rows:
            return 0
        for queue, jobs in groupby(rows, key=lambda row: row.queue):
            await self.doorbell.ring(queue, [encode(self.form.bell(job)) for job in jobs])
        reach("W8")
        await self.note(rows)
        return len(rows)

    async def note(self, rows: Sequence[Any]) -> None:
        """Write down that the broker knows; not of those that a worker has come for already."""
        asked = given({"job": row.id, "fence": row.fence} for row in rows)
        await transact(self.store, self.module, lambda unit: unit.execute(self.module, self.mark, asked))

"""Ringing: a broker is told of the jobs that are due, after they are durable, until it has confirmed it.

A job rings once for each time that it is queued, and again where nobody has come for it after a while. While many
rings are on their way, no more are sent: workers that come for one take what else there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from typing import Any

from sqlalchemy import Integer, String, and_, bindparam, literal_column, or_, select, update

from craton.calls.context import CONTEXT, Context
from craton.calls.retry import Backoff
from craton.data.store import Store, transact
from craton.data.tables import tables_of
from craton.failpoints import reach
from craton.messages.told import Told
from craton.task import Task
from craton.tasks.claims import Claims
from craton.tasks.doorbell import Doorbell
from craton.tasks.jobs import STATES
from craton.tasks.messages import encode
from craton.tasks.requests import Form
from craton.tasks.rows import given, rows_of, same

BATCH = 500
"""Jobs that are rung for again at once."""
AHEAD = 32
"""Jobs of one queue that are rung for before somebody comes."""
POLL = 0.2
"""Seconds between two looks for jobs that have become due."""
AGAIN = 60.0
"""Seconds after which a job rings again that nobody has come for, and between two looks for such."""
START = 0.005
"""Seconds by which workers that wait at the door are ahead of a ring."""


class Ringing:
    """Rings for the jobs of one module; several processes may. `claims`: whose workers come first."""

    def __init__(
        self, store: Store, module: str, tasks: Mapping[str, Task[Any, Any]],
        *, form: Form, doorbell: Doorbell, claims: Claims,
    ) -> None:
        self.store, self.module, self.form, self.doorbell, self.claims = store, module, form, doorbell, claims
        self.signal, self.told = asyncio.Event(), Told(f"{module}: jobs could not be rung for")
        self.out: dict[str, set[str]] = {task.queue: set() for task in tasks.values()}
        """What is rung for by this process, and nobody has come for yet."""
        t, now = tables_of(module).job, store.moment
        due = and_(
            t.c.state == STATES["queued"], t.c.due <= now, t.c.task.in_([literal_column(f"'{n}'") for n in tasks])
        )
        wanted = select(*(t.c[name] for name in Form.NEEDS)).limit(bindparam("most", type_=Integer))
        wanted = wanted.where(t.c.queue == bindparam("queue", type_=String))
        self.find = wanted.where(due, t.c.rung.is_(None)).order_by(t.c.due)
        lost = t.c.rung < now - literal_column(repr(AGAIN))
        self.find_again = wanted.where(due, or_(t.c.rung.is_(None), lost))
        waiting = t.c.id.in_(bindparam("ids", expanding=True)), t.c.state == STATES["queued"], t.c.rung.is_not(None)
        self.find_out = select(t.c.id).where(*waiting)
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
                if again:
                    await self.ring_again()
                while sum([await self.ring(queue) for queue in self.out]):
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
        if self.claims.is_waited_at:
            await asyncio.sleep(START)

    def taken(self, jobs: Set[str]) -> None:
        """Somebody has come for jobs: there is room for other rings."""
        for out in self.out.values():
            if len(out) >= AHEAD:
                self.signal.set()
            out -= jobs

    async def ring(self, queue: str) -> int:
        """Ring for what is due in a queue, as far as there is room; for how many jobs that was."""
        out = self.out[queue]
        if len(out) >= AHEAD:  # other processes may have given them out
            found = await self.store.read(self.module, self.find_out, {"ids": list(out)})
            out &= set(found.scalars())
        if (room := AHEAD - len(out)) <= 0:
            return 0
        rows = (await self.store.read(self.module, self.find, {"queue": queue, "most": room})).all()
        await self.tell(queue, rows)
        return len(rows)

    async def ring_again(self) -> None:
        """Ring for what nobody has come for, in case that rings were lost."""
        for queue in self.out:
            rows = (await self.store.read(self.module, self.find_again, {"queue": queue, "most": BATCH})).all()
            await self.tell(queue, rows)

    async def tell(self, queue: str, rows: Sequence[Any]) -> None:
        """Tell the broker, then note that it knows."""
        if rows:
            await self.doorbell.ring(queue, [encode(self.form.bell(job)) for job in rows])
            self.out[queue].update(row.id for row in rows)
            reach("W8")
            await self.note(rows)

    async def note(self, rows: Sequence[Any]) -> None:
        """Write down that the broker knows; not of those that a worker has come for already."""
        asked = given({"job": row.id, "fence": row.fence} for row in rows)
        await transact(self.store, self.module, lambda unit: unit.execute(self.module, self.mark, asked))

"""Claims: jobs are leased to the workers that ask, many in one transaction, before anybody begins with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from heapq import merge
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Integer, String, bindparam, func, literal_column, select, update

from craton.calls.context import CONTEXT, Context
from craton.data.store import Store, Unit, transact
from craton.data.tables import tables_of
from craton.errors import CallError, NotRun
from craton.failpoints import reach
from craton.messages.told import Told
from craton.task import HIGHEST, Task
from craton.tasks.dealing import Candidate, Hand, deal
from craton.tasks.jobs import AGE, STATES
from craton.tasks.messages import Requested, Take
from craton.tasks.requests import Form
from craton.tasks.rows import given, rows_of, same

POLL = 0.2
"""Seconds between two looks for jobs that have become due, or that another process has stored, while workers wait."""
LONGEST_WAIT = 60.0
"""Seconds that a worker waits at most."""
MOST = 500
"""Jobs that are leased to one worker at once."""
PROMISE = 1.0
"""Seconds for which a worker that was chosen for a job is chosen for no other: by then its transaction has ended."""


@dataclass(slots=True, eq=False)
class Waiter:
    """A worker that waits for jobs, `until` a time of the event loop. `looked`: there was nothing else for it;
    `chosen`: until when it is not to be chosen again."""

    hand: Hand
    until: float
    future: asyncio.Future[list[Requested]]
    looked: bool = False
    chosen: float = 0.0

    def takes(self, task: Task[Any, Any], now: float) -> bool:
        """Whether it may be given a job straight away."""
        asked = self.hand.asked
        fits = not asked.jobs and not self.hand.kept and task.queue in asked.queues and task.weight <= asked.room
        return fits and asked.most > 0 and self.looked and self.chosen <= now < self.until and not self.future.done()


class Claims:
    """The claims of one module in one process: one after another, each for all workers that wait.

    What is due is looked for outside any unit, and leased by primary key where it is still queued: so several processes
    may do it at once. A job that is submitted while a worker waits is leased to it by the same transaction. `lease`:
    seconds.
    """

    def __init__(
        self, store: Store, module: str, tasks: Mapping[str, Task[Any, Any]], *, form: Form, lease: float
    ) -> None:
        self.store, self.module, self.form = store, module, form
        self.queues = frozenset(task.queue for task in tasks.values())
        self.waiting, self.unwanted = list[Waiter](), list[dict[str, str]]()
        self.stored = dict[str, Waiter]()
        """Who was chosen for jobs that are stored now, and are to be told of."""
        self.closed = False
        self.listeners = set[Callable[[], None]]()
        """Who else is told when something is due."""
        self.tell: Callable[[Set[str]], None] = lambda jobs: None
        """Told of what was leased."""
        self.signal, self.told = asyncio.Event(), Told(f"{module}: jobs could not be given out")
        t, now = tables_of(module).job, store.moment
        queued, leased = t.c.state == STATES["queued"], t.c.state == STATES["leased"]
        known = t.c.task.in_([literal_column(f"'{name}'") for name in tasks])
        once = select(now).scalar_subquery()  # so that it bounds what is read of an index
        soon = t.c.rank <= once + literal_column(repr(AGE * HIGHEST))  # as what is due is, whatever its priority
        found = select(t.c.id, t.c.queue, t.c.weight, t.c.rank, (now - t.c.due).label("waited"), t.c.rung)
        found = found.where(queued, t.c.queue == bindparam("queue", type_=String), soon, t.c.due <= once, known)
        self.find = found.order_by(t.c.rank).limit(bindparam("most", type_=Integer))
        v = rows_of(store, job=str, by=str)
        self.begun: dict[str, Any] = dict(
            state=STATES["leased"], started=now, lease_until=now + literal_column(repr(lease)), progressed=now,
        )
        """What is the same for each job that is leased."""
        begun: dict[str, Any] = dict(
            attempt=t.c.attempt + 1, fence=t.c.fence + 1, worker=v.c.by, progress=literal_column("0.0"), updated=now,
        )
        claim = update(t).where(same(store, t.c.id, v), queued, t.c.due <= now, known).values(**self.begun, **begun)
        needed = [t.c[name] for name in Form.NEEDS]
        self.claim = claim.returning(*needed)
        self.find_stored = select(*needed).where(t.c.id.in_(bindparam("ids", expanding=True)), leased, t.c.fence == 1)
        back: dict[str, Any] = dict(
            state=STATES["queued"], released=t.c.released + 1, fence=t.c.fence + 1, worker=None, updated=now
        )
        self.unclaim = update(t).where(same(store, t.c.id, v), leased, t.c.worker == v.c.by).values(**back)
        self.held = select(func.count()).where(leased, t.c.worker == bindparam("worker", type_=String))

    @property
    def is_waited_at(self) -> bool:
        """Whether any worker waits for jobs."""
        return bool(self.waiting or self.listeners)

    def wake(self) -> None:
        """Something is due."""
        self.signal.set()
        for listener in self.listeners:
            listener()

    async def take(self, asked: Take) -> list[Requested]:
        """See `Control.take`. CallError where the database is away."""
        if self.closed:
            raise NotRun(f"{self.module} stops: ask another controller, or later.")
        loop = asyncio.get_running_loop()
        until = loop.time() + (0.0 if asked.jobs else min(asked.wait, LONGEST_WAIT))
        waiter = Waiter(Hand(asked), until, loop.create_future())
        self.waiting.append(waiter)
        self.signal.set()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if not waiter.future.cancelled():  # it was answered, and nobody heard it
                self.refuse(waiter.future.result(), asked.worker)
            raise

    def refuse(self, jobs: Iterable[Requested], worker: str) -> None:
        """A worker that was given jobs has gone: they are taken back at once."""
        self.unwanted += [{"job": job.taskid, "by": worker} for job in jobs]
        self.signal.set()

    def choose(self, task: Task[Any, Any]) -> Waiter | None:
        """Who is to have a job that is being submitted, where one waits for which there was nothing else."""
        now = asyncio.get_running_loop().time()
        willing = [] if self.signal.is_set() else [waiter for waiter in self.waiting if waiter.takes(task, now)]
        if not willing:
            return None
        best = max(willing, key=lambda waiter: waiter.hand.asked.room)
        best.chosen = now + PROMISE
        return best

    def tell_of(self, job: str, waiter: Waiter) -> None:
        """A job was stored as leased to who was chosen for it; unless that was undone before the commit."""
        self.stored[job] = waiter
        self.signal.set()

    async def hand_over(self) -> None:
        """Give out what was stored as leased; what has no taker any more is taken back."""
        if not (chosen := dict(self.stored)):
            return
        found = (await self.store.read(self.module, self.find_stored, {"ids": list(chosen)})).all()
        for row in found:
            if (waiter := chosen[row.id]).future.done():
                self.unwanted.append({"job": row.id, "by": waiter.hand.asked.worker})
            else:
                waiter.future.set_result([self.form.job(row)])
                reach("W1")
        for job in chosen:
            del self.stored[job]

    async def is_due(self) -> bool:
        """Whether any job is due."""
        for queue in self.queues:
            if (await self.store.read(self.module, self.find, {"queue": queue, "most": 1})).first() is not None:
                return True
        return False

    async def run(self) -> None:
        """For ever: give out what is due to those who wait."""
        CONTEXT.set(Context())
        while True:
            await self.pulse()
            try:
                await self.hand_over()
                await self.round([waiter for waiter in self.waiting if not waiter.future.done()])
                self.told.good()
            except Exception as error:  # the database may be away for a while
                self.told.bad(error)
                self.excuse(self.waiting, error)
                await asyncio.sleep(POLL)
            self.waiting = [waiter for waiter in self.waiting if not waiter.future.done()]

    async def pulse(self) -> None:
        """Wait until it is time to look again."""
        try:
            async with asyncio.timeout(POLL if self.waiting or self.stored else None):
                await self.signal.wait()
        except TimeoutError:
            return
        self.signal.clear()

    async def round(self, waiters: Sequence[Waiter]) -> None:
        """Lease what is due to those who wait."""
        for waiter in waiters:
            wanted = dict.fromkeys(waiter.hand.asked.jobs)  # a job may have rung twice
            waiter.hand, waiter.looked = Hand(waiter.hand.asked, jobs=list(wanted)[:MOST]), False
        asking = [waiter.hand for waiter in waiters if not waiter.hand.asked.jobs]
        beside = {id(w): beside_named(w.hand.asked) for w in waiters if w.hand.asked.jobs and w.hand.asked.more > 0}
        if asking or beside:
            await self.deal(asking, list(beside.values()), but={job for w in waiters for job in w.hand.jobs})
        for waiter in waiters:
            waiter.hand.jobs += beside[id(waiter)].jobs if id(waiter) in beside else ()
        by = {job: waiter for waiter in reversed(waiters) for job in waiter.hand.jobs}
        found = await self.lease(by) if by else {}
        self.answer(waiters, found, by)
        reach("W1")
        gone = [job for job in found if by[job].future.cancelled()]
        self.unwanted += [{"job": job, "by": by[job].hand.asked.worker} for job in gone]
        await self.take_back()
        for waiter in waiters:
            waiter.looked = True

    async def deal(self, hands: Sequence[Hand], beside: Sequence[Hand], *, but: Set[str]) -> None:
        """Look for what is due, `but` for what is given out anyhow, and who may have it. `beside`: those who come for
        what has rung; they have what has not, and so leave to others what these will come for."""
        most = min(MOST, sum(hand.asked.most for hand in (*hands, *beside)) + len(but))
        found = list[Any]()
        for queue in {queue for hand in (*hands, *beside) for queue in hand.asked.queues} & self.queues:
            found.append((await self.store.read(self.module, self.find, {"queue": queue, "most": most})).all())
        rows = [row for row in merge(*found, key=lambda row: row.rank) if row.id not in but]
        candidates = [candidate_of(row) for row in rows]
        heaviest = max((candidate.weight for candidate in candidates), default=0)
        for hand in hands:
            hand.idle = heaviest > hand.asked.room and await self.is_idle(hand.asked.worker)
        deal(candidates, hands)
        given_out = {job for hand in hands for job in hand.jobs}
        deal([candidate_of(row) for row in rows if row.rung is None and row.id not in given_out], beside)

    async def is_idle(self, worker: str) -> bool:
        """Whether a worker has no job of this module."""
        return not (await self.store.read(self.module, self.held, {"worker": worker})).scalar_one()

    async def lease(self, by: Mapping[str, Waiter]) -> dict[str, Any]:
        """Lease jobs to those who get them, where nobody else was faster; their rows, by id."""
        rows = given({"job": job, "by": waiter.hand.asked.worker} for job, waiter in by.items())

        async def body(unit: Unit) -> Sequence[Any]:
            return (await unit.execute(self.module, self.claim, rows)).all()

        leased = {row.id: row for row in await transact(self.store, self.module, body)}
        self.tell(leased.keys())
        return leased

    def answer(self, waiters: Iterable[Waiter], found: Mapping[str, Any], by: Mapping[str, Waiter]) -> None:
        """Give each what it was given, unless it goes on waiting."""
        now = asyncio.get_running_loop().time()
        for waiter in waiters:
            jobs = [self.form.job(found[job]) for job in waiter.hand.jobs if job in found and by[job] is waiter]
            if (jobs or waiter.until <= now) and not waiter.future.done():
                waiter.future.set_result(jobs)

    async def take_back(self) -> None:
        """Take back at once what was given to those who have gone meanwhile."""
        if self.unwanted:
            rows, count = given(self.unwanted), len(self.unwanted)
            await transact(self.store, self.module, lambda unit: unit.execute(self.module, self.unclaim, rows))
            del self.unwanted[:count]
            self.wake()

    def excuse(self, waiters: Iterable[Waiter], error: Exception) -> None:
        """Tell those who ask for certain jobs, or whose time is up, that none can be given out now."""
        now = asyncio.get_running_loop().time()
        told = error if isinstance(error, CallError) else NotRun(f"{self.module}: no jobs can be given out: {error}")
        for waiter in waiters:
            if waiter.until <= now and not waiter.future.done():
                waiter.future.set_exception(told)

    async def close(self) -> None:
        """Send away those who wait."""
        self.closed = True
        for waiter in self.waiting:
            if not waiter.future.done():
                waiter.future.set_result([])


def candidate_of(row: Any) -> Candidate:
    """A job that is due."""
    return Candidate(row.id, row.queue, row.weight, row.rank, row.waited)


def beside_named(asked: Take) -> Hand:
    """What is to be dealt to a worker besides the jobs that it has named."""
    return Hand(replace(asked, room=asked.more, most=asked.more))

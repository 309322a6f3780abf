"""The relay: brings stored events to the modules that subscribe, in order, until each has confirmed them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Float, and_, bindparam, func, literal, literal_column, or_, select, update

from craton.calls.context import CONTEXT, Context
from craton.calls.retry import Backoff
from craton.data.store import Store, Unit, transact
from craton.data.tables import tables_of
from craton.failpoints import reach, reach_soon
from craton.messages.events import LEASE
from craton.messages.told import Told
from craton.messages.transport import Message, Transport, Verdict
from craton.values import Value

log = logging.getLogger("craton.messages")
POLL = 1.0
"""Seconds between two looks for what other processes have left behind."""
BATCH = 500
"""Events that are relayed at once."""
SIZE = 1 << 20
"""Bytes of bodies that are sent at once."""
PATIENCE = 0.25
"""Seconds for which the next batch waits for a destination that is slow."""
LONGEST = 30.0
"""Seconds that one sending may take: less than the lease."""
HOLD = 120.0
"""Seconds after which an event is looked at again that waits for a destination to come back."""
MOST = 5.0
"""Seconds between two tries at most."""
MISSED = 6
"""Tries after which it is looked into why an event comes too early."""
LOST = 1_000_000
"""The tries of an event that is to be taken although earlier ones never come."""
CHUNK = 5000
"""Events that are let go at once when a destination is back."""


class Lag(Value):
    """How far a module's relay is behind: events `stored` and not confirmed by all, and the age of the `oldest`, in
    seconds. `away`: the destinations that do not answer."""

    stored: int
    oldest: float
    away: tuple[str, ...]


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


@dataclass(slots=True)
class Lane:
    """The way to one destination. `open`: nothing is held back for it; `until`: it is left alone so long."""

    name: str
    open: bool = False
    until: float = 0.0
    busy: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(first=0.1, most=MOST))

    def left(self) -> float:
        """Seconds for which it is left alone."""
        return max(0.0, self.until - asyncio.get_running_loop().time())


class Relay:
    """The relay of one module in one process. What it says it has sent, all who subscribe keep safely."""

    def __init__(self, store: Store, module: str, *, owner: str, transport: Transport) -> None:
        self.store, self.module, self.owner, self.transport = store, module, owner, transport
        self.lanes: dict[str, Lane] = {}
        self.signal, self.told = asyncio.Event(), Told(f"{module}: events could not be relayed")
        self.tasks: set[asyncio.Task[None]] = set()
        self.table = t = tables_of(module).outbox
        stored = t.c.status == literal_column("'stored'")  # written out, so that the small index is found to fit
        mine = stored if store.exclusive else and_(stored, t.c.owner == owner)
        names = [name for name in Row.__dataclass_fields__ if name != "wait"]
        self.scan = select(*(t.c[name] for name in names)).where(mine, t.c.due <= store.moment).order_by(
            t.c.due, t.c.position
        ).limit(BATCH)
        left = or_(t.c.owner.is_(None), t.c.lease_until < store.moment)
        due = select(t.c.position).where(stored, t.c.due <= store.moment)
        self.find_left = due.where(left).order_by(t.c.due).limit(BATCH)
        self.take_left = update(t).where(stored, left, t.c.position.in_(bindparam("found", expanding=True))).values(
            owner=owner, lease_until=store.moment + LEASE
        )
        self.mark = update(t).where(t.c.position.in_(bindparam("found", expanding=True))).values(
            status="sent", pending=""
        )
        self.postpone = update(t).where(stored, t.c.position == bindparam("found")).values(
            pending=bindparam("left"), due=store.moment + bindparam("wait", type_=Float), attempts=bindparam("tried")
        )
        self.find_held = select(t.c.position).where(
            stored, t.c.due > store.moment, (literal(",") + t.c.pending + ",").like(bindparam("name"))
        ).limit(CHUNK)
        self.free = update(t).where(stored, t.c.position.in_(bindparam("found", expanding=True))).values(due=0.0)

    # ------------------------------------------------------------------ its life

    def wake(self) -> None:
        """Something was stored."""
        self.signal.set()

    async def run(self) -> None:
        """For ever: relay what is stored, at once after its commit; and now and then what others have left."""
        CONTEXT.set(Context())
        failures, looked = Backoff(first=0.1, most=MOST), -POLL
        while True:
            self.signal.clear()
            try:
                if not self.store.exclusive and asyncio.get_running_loop().time() - looked >= POLL:
                    looked = asyncio.get_running_loop().time()
                    await self.adopt()
                while await self.turn() == BATCH:
                    pass
                failures.tries = 0
                self.told.good()
            except Exception as error:  # the database may be away for a while
                self.told.bad(error)
                await asyncio.sleep(failures.pause())
                continue
            await self.pause()

    async def pause(self) -> None:
        """Until something is stored, a destination is to be tried again, or it is time to look around."""
        waits = [left for lane in self.lanes.values() if (left := lane.left()) > 0]
        try:
            async with asyncio.timeout(min([POLL, *waits])):
                await self.signal.wait()
        except TimeoutError:
            pass

    async def close(self) -> None:
        """Break off what is under way: it is sent again."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def adopt(self) -> None:
        """Take over what was stored by a process that has not relayed it in time."""
        found = list((await self.store.read(self.module, self.find_left)).scalars())
        if found:
            await self.write(lambda unit: unit.execute(self.module, self.take_left, {"found": found}))

    async def write(self, body: Any) -> None:
        """Change the outbox."""
        await transact(self.store, self.module, body)

    # ------------------------------------------------------------------ one batch

    async def turn(self) -> int:
        """Relay what is due; how much that was."""
        rows = [row_of(found) for found in (await self.store.read(self.module, self.scan)).all()]
        if rows:
            reach("R1")
        lanes: dict[str, list[Row]] = {}
        for row in rows:
            for name in row.pending:
                lanes.setdefault(name, []).append(row)
        over = asyncio.Event()
        tasks = {self.start(self.deliver(self.lane(name), lanes[name], over)) for name in lanes if self.free_for(name)}
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)
        over.set()
        if rows:
            await self.settle(rows)
        return len(rows)

    def lane(self, name: str) -> Lane:
        """The way to a destination."""
        return self.lanes.setdefault(name, Lane(name))

    def free_for(self, name: str) -> bool:
        """Whether a destination can be sent something now. What must wait is held back until it is let go."""
        lane = self.lane(name)
        if lane.busy:
            lane.open = False
        return not lane.busy and not lane.left()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something that may take longer than the batch."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.ended)
        return task

    def ended(self, task: asyncio.Task[None]) -> None:
        """It is done; what it could not write down is sent again."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.told.bad(error)

    async def deliver(self, lane: Lane, rows: list[Row], over: asyncio.Event) -> None:
        """Send one destination what is for it. Who comes too late for the batch writes down its own."""
        lane.busy = True
        rows.sort(key=lambda row: row.position)
        try:
            for part in parts(rows):
                await self.send(lane, part)
        except Exception as error:
            lane.open, lane.until = False, asyncio.get_running_loop().time() + lane.backoff.pause()
            self.told.bad(error, self.trouble(lane))
            for row in rows:
                row.wait = lane.left()
        finally:
            lane.busy = False
        if over.is_set():
            await self.settle(rows)
        if not lane.open and not lane.left():
            await self.release(lane)

    def trouble(self, lane: Lane) -> str:
        """What is said when a destination is away."""
        return f"{self.module}: {lane.name} does not take events"

    async def send(self, lane: Lane, rows: Sequence[Row]) -> None:
        """Send one part, and note what became of it."""
        batch = [self.message(row, lane.name) for row in rows]
        reach_soon("R2")
        async with asyncio.timeout(LONGEST):
            verdicts = await self.transport.send(lane.name, batch)
        for row, verdict in zip(rows, verdicts, strict=True):
            await self.note(lane, row, verdict)
        lane.backoff.tries = 0
        self.told.good(self.trouble(lane))

    def message(self, row: Row, destination: str) -> Message:
        """What is sent of an event."""
        return Message(
            row.id, self.module, row.stream, row.sequences[destination], row.type, row.version, row.body, row.trace,
            row.created, gap=row.attempts >= LOST,
        )

    async def note(self, lane: Lane, row: Row, verdict: Verdict) -> None:
        """What became of one event at one destination."""
        if verdict.status == "taken":
            row.pending.remove(lane.name)
            return
        row.wait = min(MOST, 0.02 * 2.0 ** min(row.attempts, 10))
        row.attempts += 1
        if verdict.status == "early" and row.attempts % MISSED == 0:
            await self.miss(lane, row, verdict.expected)

    async def settle(self, rows: Sequence[Row]) -> None:
        """Write down what became of them: one change for all that is done with."""
        done = [row.position for row in rows if not row.pending]
        left = [
            {"found": row.position, "left": ",".join(row.pending), "wait": row.wait, "tried": row.attempts}
            for row in rows if row.pending
        ]

        reach("R3")

        async def body(unit: Unit) -> None:
            if done:
                await unit.execute(self.module, self.mark, {"found": done})
            if left:
                await unit.execute(self.module, self.postpone, left)

        await self.write(body)

    # ------------------------------------------------------------------ destinations that were away, or went back

    async def release(self, lane: Lane) -> None:
        """Let go what was held back for a destination; what is newer comes after it."""
        wanted = {"name": f"%,{lane.name},%"}
        while found := list((await self.store.read(self.module, self.find_held, wanted)).scalars()):
            await self.write(lambda unit, found=found: unit.execute(self.module, self.free, {"found": found}))
        lane.open = True
        self.wake()

    async def miss(self, lane: Lane, row: Row, expected: int) -> None:
        """A destination goes on waiting for an earlier event of a stream: it may have lost what it had confirmed."""
        if expected not in await self.resend(lane.name, row.stream, expected):
            log.error("%s: events %d to %d of %s for %s are lost", self.module, expected,
                      row.sequences[lane.name] - 1, row.stream, lane.name)
            row.attempts = LOST

    async def resend(self, destination: str, stream: str, first: int) -> set[int]:
        """Send again, from a number on, what a destination had confirmed. The numbers that are still kept."""
        t = self.table.c
        query = select(t.position, t.sequences, t.status).where(t.stream == stream)
        rows = [(row, msgspec.json.decode(row.sequences).get(destination, 0))
                for row in (await self.store.read(self.module, query)).all()]
        again = [row.position for row, number in rows if number >= first and row.status == "sent"]
        if again:
            log.error("%s: %s lacks %s from number %d on; %d events are sent again", self.module, destination, stream,
                      first, len(again))
            values: dict[str, Any] = dict(status="stored", pending=destination, due=0.0, attempts=0)
            mine = {} if self.store.exclusive else dict(owner=self.owner, lease_until=self.store.moment + LEASE)
            change = update(self.table).where(t.position.in_(again)).values(**values, **mine)
            await self.write(lambda unit: unit.execute(self.module, change))
            self.wake()
        return {number for _, number in rows}

    async def lag(self) -> Lag:
        """How far it is behind."""
        t = self.table.c
        query = select(func.count(), func.min(t.created), self.store.moment).where(
            t.status == literal_column("'stored'")
        )
        count, oldest, now = (await self.store.read(self.module, query)).one()
        away = tuple(lane.name for lane in self.lanes.values() if lane.left())
        return Lag(count, max(0.0, now - oldest) if count else 0.0, away)


def row_of(found: Any) -> Row:
    """A row as it was read."""
    sequences, pending = msgspec.json.decode(found.sequences), found.pending.split(",")
    return Row(**{**found._mapping, "sequences": sequences, "pending": pending})


def parts(rows: Sequence[Row]) -> list[list[Row]]:
    """Pieces that are not too large to be sent at once."""
    found: list[list[Row]] = [[]]
    size = 0
    for row in rows:
        if found[-1] and size + len(row.body) > SIZE:
            found.append([])
            size = 0
        found[-1].append(row)
        size += len(row.body)
    return found

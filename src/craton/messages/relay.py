"""The relay: brings stored events to the modules that subscribe, in order, until each has confirmed them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from typing import Any

from craton.calls.context import CONTEXT, Context
from craton.calls.retry import Backoff
from craton.data.store import Store
from craton.failpoints import reach, reach_soon
from craton.messages.lane import MOST, Lane
from craton.messages.outbox import BATCH, HOLD, Outbox, Row
from craton.messages.told import Told, log
from craton.messages.transport import Message, Transport, Verdict
from craton.values import Value

POLL, SELDOM = 1.0, 8.0
"""Seconds between two looks for what nobody told of, such as what other processes have left behind: after some work,
and at most, since each look that finds nothing doubles them."""
SIZE = 1 << 20
"""Bytes of bodies that are sent at once."""
PATIENCE = 1.0
"""Seconds for which the next batch waits for a destination that is slow, where there are others."""
LONGEST = 30.0
"""Seconds that one sending may take."""
MOMENT = 1.0
"""Seconds that what is under way is given when the process stops."""
MISSED = 6
"""Tries after which it is looked into why an event comes too early."""
LOST = 1_000_000
"""The tries of an event that is to be taken although earlier ones never come."""


class Lag(Value):
    """How far a module's relay is behind: events `stored` and not confirmed by all, and the age of the `oldest`, in
    seconds. `away`: the destinations that do not answer."""

    stored: int
    oldest: float
    away: tuple[str, ...]


class Relay:
    """The relay of one module in one process. What it says it has sent, all who subscribe keep safely.

    A destination that is slow or away does not delay the others: its events are held back, and let go in their order
    when it is back. `known`: the destinations that there are.
    """

    def __init__(
        self, store: Store, module: str, *, owner: str, transport: Transport, known: Collection[str]
    ) -> None:
        self.store, self.module, self.transport = store, module, transport
        self.outbox, self.known = Outbox(store, module, owner=owner), known
        self.lanes: dict[str, Lane] = {}
        self.looks, self.next_look = Backoff(first=POLL, most=SELDOM), 0.0
        self.signal, self.told = asyncio.Event(), Told(f"{module}: events could not be relayed")
        self.writing, self.tasks, self.stopping = asyncio.Lock(), set[asyncio.Task[None]](), False

    # ------------------------------------------------------------------ its life

    def wake(self) -> None:
        """Something was stored."""
        self.signal.set()

    async def run(self) -> None:
        """For ever: relay what is stored, at once after its commit; and now and then what others have left."""
        CONTEXT.set(Context())
        failures = Backoff(first=0.1, most=MOST)
        while not self.stopping:
            self.signal.clear()
            try:
                await self.look()
                while await self.turn() == BATCH:
                    pass
                failures.tries = 0
                self.told.good()
            except Exception as error:  # the database may be away for a while
                self.told.bad(error)
                await asyncio.sleep(failures.pause())
                continue
            await self.pause()

    async def look(self) -> None:
        """Take over what others have left, where it is time to."""
        if (now := asyncio.get_running_loop().time()) >= self.next_look:
            self.next_look = now + self.looks.pause()
            if not self.store.exclusive and await self.outbox.adopt():
                self.looks.tries = 0

    async def pause(self) -> None:
        """Until something is stored, a destination is to be tried again, or it is time to look around."""
        waits = [left for lane in self.lanes.values() if (left := lane.left()) > 0]
        until = self.next_look - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min([until, *waits])):
                await self.signal.wait()
        except TimeoutError:
            pass

    def stop(self) -> None:
        """End after the batch in hand."""
        self.stopping = True
        self.wake()

    async def close(self) -> None:
        """Give what is under way a moment, then break it off: it is sent again."""
        tasks = list(self.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=MOMENT)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, self.outbox.close(), return_exceptions=True)

    # ------------------------------------------------------------------ one batch

    async def turn(self) -> int:
        """Relay what is due; how much that was."""
        rows = await self.outbox.due()
        if rows:
            self.looks.tries, self.next_look = 0, min(self.next_look, asyncio.get_running_loop().time() + POLL)
            reach("R1")
            over = asyncio.Event()
            lanes = self.sorted(rows)
            for lane, of in lanes:
                lane.hold(of)
            tasks = {self.start(self.deliver(lane, lane.part(of), over)) for lane, of in lanes if lane.free}
            if tasks:
                await asyncio.wait(tasks, timeout=PATIENCE if len(self.lanes) > 1 else None)
            over.set()
            await self.settle(rows)
        for lane in self.lanes.values():
            if not lane.open and lane.free and not lane.away:
                await self.release(lane)
        return len(rows)

    def sorted(self, rows: Sequence[Row]) -> list[tuple[Lane, list[Row]]]:
        """What there is for each destination, in order."""
        found: dict[str, list[Row]] = {}
        for row in sorted(rows, key=lambda row: row.position):
            for name in tuple(row.pending):
                if name in self.known:
                    found.setdefault(name, []).append(row)
                else:
                    self.told.bad(LookupError(f"there is no {name} any more"), f"{self.module}: events are dropped")
                    row.pending.remove(name)
        return [(self.lanes.setdefault(name, Lane(name)), of) for name, of in found.items()]

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
        try:
            await self.send_parts(lane, rows)
            if over.is_set():
                await self.settle(rows)
                self.wake()
        finally:
            lane.busy = False

    async def send_parts(self, lane: Lane, rows: Sequence[Row]) -> None:
        """Send what there is, in pieces; a destination that fails is left alone for a while."""
        try:
            for part in parts(rows):
                await self.send_part(lane, part)
        except Exception as error:
            lane.until = asyncio.get_running_loop().time() + lane.backoff.pause()
            self.told.bad(error, self.trouble(lane))
            lane.hold([row for row in rows if lane.name in row.pending])

    def trouble(self, lane: Lane) -> str:
        """What is said when a destination is away."""
        return f"{self.module}: {lane.name} does not take events"

    async def send_part(self, lane: Lane, rows: Sequence[Row]) -> None:
        """Send one part. An event that may be too large to be sent at all holds up its own stream alone."""
        try:
            await self.send(lane, rows)
        except Exception as error:
            if len(rows[0].body) <= SIZE:
                raise
            self.told.bad(error, f"{self.module}: {rows[0].id} cannot be sent to {lane.name}")
            rows[0].wait, rows[0].attempts = MOST, rows[0].attempts + 1

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
        """Write down what became of rows."""
        async with self.writing:
            for row in rows:
                if row.pending and row.wait == HOLD:
                    for name in row.pending:
                        self.lanes[name].open = False
            await self.outbox.settle(rows)

    # ------------------------------------------------------------------ destinations that were away, or went back

    async def release(self, lane: Lane) -> None:
        """Let go what was held back for a destination."""
        async with self.writing:
            await self.outbox.release(lane.name)
            lane.open = True
        self.wake()

    async def miss(self, lane: Lane, row: Row, expected: int) -> None:
        """A destination goes on waiting for an earlier event of a stream: it may have lost what it had confirmed."""
        if await self.send_again(lane.name, row.stream, expected) == row.sequences[lane.name]:
            row.attempts = LOST

    async def send_again(self, destination: str, stream: str, first: int) -> int:
        """Send again, from a number on, what a destination had confirmed, or a broker for it. The number with which the
        stream goes on: a later one, where events are lost for good; 0 where none is left."""
        kept = [row for row in await self.outbox.kept(destination, stream) if row[0] >= first]
        on = min((number for number, _, _ in kept), default=0)
        again = [(number, position) for number, position, confirmed in kept if confirmed]
        if again:
            log.error("%s: %s lacks what it had confirmed (%s from number %d on); %d events are sent again",
                      self.module, destination, stream, first, len(again))
        for lost in (False, True):
            places = [position for number, position in again if (first < on == number) is lost]
            await self.outbox.unsend(destination, places, attempts=LOST if lost else 0)
        if on != first:
            log.error("%s: events of %s for %s are lost: from number %d %s", self.module, stream, destination, first,
                      f"to {on - 1}" if on else "on")
        self.wake()
        return on

    async def send_all_again(self, destination: str, *, retention: float) -> None:
        """Send again to a destination, or to all (""), what a broker has lost, as far as inboxes still know it."""
        if count := await self.outbox.unsend_all(destination, retention=retention):
            log.warning("%s: the broker has lost events for %s: %d are sent again", self.module, destination or "all",
                        count)
            self.wake()

    async def lag(self) -> Lag:
        """How far it is behind."""
        stored, oldest = await self.outbox.behind()
        return Lag(stored, oldest, tuple(lane.name for lane in self.lanes.values() if lane.away))


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

"""The sagas of one module: started and answered once per key, kept under leases, picked up after a crash."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Any, Literal, cast

import msgspec

from craton.calls import codec
from craton.calls.context import CONTEXT, Caller
from craton.calls.endpoint import Endpoint
from craton.calls.retry import Backoff
from craton.contract import Method
from craton.data.inbox import Answer, Inbox, Keyed
from craton.data.store import Store, Unit, transact
from craton.errors import CallError, KeyReused, NotAllowed, StillRunning
from craton.messages.subscriber import key_of
from craton.messages.transport import Message
from craton.sagas.arrivals import Arrival, Arrivals, awaited
from craton.sagas.journal import AT_ONCE, ENDED, LEASE, OPEN, Answered, Journal, LeaseLost, PutDown, Record
from craton.sagas.tasks import Tasks
from craton.sagas.waiting import WaitingRun
from craton.sagas.window import Parked
from craton.sources import Clock, Ids
from craton.values import Event, Value

log = logging.getLogger("craton.sagas")
PULSE, SELDOM = 0.5, 5.0
"""Seconds between two looks for sagas that nobody runs: after something happened, and at most, since each look that
finds nothing doubles them. What is known to be due is looked for at its time."""
MARGIN, LEAST, MOST = 0.1, 0.1, 1.0
"""The part of the time until a deadline that is kept to say that a saga goes on; in seconds at least, at most."""
LOOK, LONGEST_LOOK = 0.1, 1.0
"""Seconds until it is looked again for the answer of a saga that another process runs; they double each time."""


class SagaStatus(Value):
    """How far a saga is. `answer` is its result, or the fields of its `fault`, in plain types, ready for JSON."""

    id: str
    method: str
    state: Literal["running", "undoing", "waiting", "done", "fault", "failed", "parked"]
    answer: Any = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Ongoing:
    """A saga that runs in this process."""

    run: WaitingRun
    task: asyncio.Task[Answer | None]


class Sagas:
    """What the saga methods of one module have in common. `tasks`: those of the module, where there are any."""

    def __init__(
        self, store: Store, module: str, inbox: Inbox,
        *, owner: str, endpoint: Callable[[str], Endpoint], clock: Clock, ids: Ids,
    ) -> None:
        self.store, self.module, self.inbox, self.endpoint = store, module, inbox, endpoint
        self.clock, self.ids = clock, ids
        self.journal = Journal(store, module, inbox, owner=owner, clock=clock)
        self.arrivals = Arrivals(store, module)
        self.methods: dict[str, SagaMethod] = {}
        self.tasks: Tasks | None = None
        self.ongoing: dict[str, Ongoing] = {}
        self.stopping = False
        self.woken = asyncio.Event()
        self.looks, self.next_look = Backoff(first=PULSE, most=SELDOM), 0.0
        self.due: list[float] = []
        """When those that were put down here are due: a heap."""

    def add(self, method: SagaMethod) -> None:
        """One more method."""
        self.methods[method.name] = method
        self.journal.versions[method.name] = method.method.version

    def wake(self) -> None:
        """Look soon for what nobody runs: what a saga waits for has come."""
        self.woken.set()

    def start(self, record: Record) -> Ongoing:
        """Run a saga in a task of its own, which outlives whoever asked for it."""
        method = self.methods[record.call.name]
        run = WaitingRun(
            record, method.method, method.body, journal=self.journal, arrivals=self.arrivals, endpoint=self.endpoint,
            clock=self.clock.now, trace=CONTEXT.get().trace, tasks=self.tasks,
        )
        task = asyncio.get_running_loop().create_task(self.watch(run), name=record.id)
        ongoing = self.ongoing[record.id] = Ongoing(run, task)
        task.add_done_callback(lambda t: self.ended(record.id, t))
        return ongoing

    def go_on(self, record: Record) -> None:
        """Run a saga that was stored a moment ago, with its lease, unless this process stops."""
        if not self.stopping and record.id not in self.ongoing:
            record.stored = True
            self.start(record)

    async def arrive(self, unit: Unit, message: Message, event: Event) -> None:
        """A subscriber: keep an event for the sagas that may wait for it, in the receiver's transaction."""
        key = str(getattr(event, event.ordered_by)) if event.ordered_by else ""
        kept = Arrival(message.id, awaited(message.type, key), message.version, message.body)
        await self.arrivals.record(unit, kept)
        unit.after.add(self.wake)

    async def watch(self, run: WaitingRun) -> Answer | None:
        """The run's answer; None where another process, or nobody, will give it."""
        try:
            return await run.go()
        except (LeaseLost, Answered) as why:
            log.info("saga %s: %s", run.record.id, type(why).__name__)
        except PutDown:
            if run.record.due is not None:
                heappush(self.due, run.record.due)
        except Parked:  # it has said so
            pass
        return None

    def ended(self, id: str, task: asyncio.Task[Answer | None]) -> None:
        """Forget a run. Its error went to those who waited; a stored saga is picked up again."""
        del self.ongoing[id]
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, CallError):
            log.error("saga %s broke off, and is tried again", id, exc_info=error)
        if task.cancelled() or task.exception() is not None:
            self.looks.tries, self.next_look = 0, asyncio.get_running_loop().time() + PULSE

    def is_time(self) -> bool:
        """Whether to look now for what nobody runs."""
        now, waiting = self.clock.now().timestamp(), len(self.due)
        while self.due and self.due[0] <= now:
            heappop(self.due)
        return len(self.due) < waiting or asyncio.get_running_loop().time() >= self.next_look

    async def adopt(self) -> None:
        """Take over what nobody runs, all of it in one transaction. What was begun here meanwhile is no part of it."""
        found = await self.journal.abandoned(set(self.ongoing))
        if found := [(id, fence) for id, fence in found if id not in self.ongoing]:
            self.looks.tries = 0
            claimed = await transact(self.store, self.module, lambda unit: self.journal.claim(unit, found))
            await asyncio.gather(*(self.take_up(id) for id in claimed))
            if len(found) >= AT_ONCE:
                self.wake()

    async def take_up(self, id: str) -> None:
        """Go on with a saga that was taken over."""
        record = await self.journal.read(id)
        if record is not None and record.state in OPEN and id not in self.ongoing:
            log.info("saga %s is picked up (%s)", id, record.state)
            self.start(record)

    async def tend(self) -> None:
        """For ever: keep the leases of what runs here, and pick up what nobody runs."""
        renewed = asyncio.get_running_loop().time()
        while True:
            await self.pulse()
            try:
                if asyncio.get_running_loop().time() - renewed > LEASE / 3:
                    renewed = asyncio.get_running_loop().time()
                    await self.renew()
                if self.is_time():
                    self.next_look = 0.0  # should it fail
                    await self.adopt()
                    self.next_look = asyncio.get_running_loop().time() + self.looks.pause()
            except Exception as error:  # the database may be away for a while: the next pulse tries again
                log.warning("%s: sagas could not be looked after: %s", self.module, error)

    async def pulse(self) -> None:
        """Wait for a moment, or until something has come."""
        try:
            async with asyncio.timeout(PULSE):
                await self.woken.wait()
        except TimeoutError:
            return
        self.woken.clear()
        self.looks.tries, self.next_look = 0, 0.0

    async def renew(self) -> None:
        """Keep the leases of the stored sagas that run here."""
        mine = {id for id, ongoing in self.ongoing.items() if ongoing.run.record.stored}
        if mine:
            await transact(self.store, self.module, lambda unit: self.journal.renew(unit, mine))

    async def retry(self, id: str) -> bool:
        """Put a parked saga back on its way; it is taken up soon. False where it is not parked."""
        found = await transact(self.store, self.module, lambda unit: self.journal.retry(unit, id))
        self.wake()
        return found

    async def close(self) -> None:
        """Stop what runs here; what is stored goes on at the next start."""
        self.stopping = True
        tasks = [ongoing.task for ongoing in self.ongoing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def status(self, id: str, caller: Caller) -> SagaStatus | None:
        """How far a saga is, for whoever started it, or an admin; None where there is none."""
        record = await self.journal.read(id)
        if record is None and (ongoing := self.ongoing.get(id)) is not None:
            record = ongoing.run.record
        status, subject = await self.answered(id) if record is None else self.described(record)
        if status is not None and caller.subject != subject and "admin" not in caller.roles:
            raise NotAllowed(f"saga {id} belongs to another caller.")
        return status

    async def answered(self, id: str) -> tuple[SagaStatus | None, str]:
        """The status, and the subject, of a saga of which only the answer was kept."""
        row = await self.inbox.look(id)
        if row is None or row.final is None:
            return None, ""
        return self.status_of(id, row.name, row.status, row.final), row.owner or ""

    def described(self, record: Record) -> tuple[SagaStatus, str]:
        """The status, and the subject, of a saga with a row of its own."""
        final = record.cause if record.state in ENDED else None
        return self.status_of(record.id, record.call.name, record.state, final), record.subject

    def status_of(self, id: str, name: str, state: str, answer: Answer | None) -> SagaStatus:
        """A status, the answer in plain types."""
        shown = SagaStatus(id, name, cast("Any", state))
        if answer is None or answer.status == "failed" or name not in self.methods:
            return shown
        method = self.methods[name].method
        if answer.status == "done":
            return msgspec.structs.replace(shown, answer=plain(codec.decode(method.result, answer.body or b"")))
        fault = codec.decode_fault(method, answer.type or "", answer.body or b"")
        return msgspec.structs.replace(shown, answer=None if fault is None else plain(fault.body), fault=answer.type)


def plain(value: object) -> Any:
    """A value in the types that JSON has."""
    return msgspec.json.decode(codec.to_json(value))


class SagaMethod:
    """One saga of a module."""

    def __init__(
        self, name: str, method: Method, body: Callable[[msgspec.Struct], Awaitable[Any]], home: Sagas
    ) -> None:
        self.name, self.method, self.body, self.home = name, method, body, home
        home.add(self)

    async def ask(self, arguments: msgspec.Struct, *, key: str | None = None, undoes: str | None = None) -> Any:
        """The saga's answer; StillRunning, with its id, where it is not finished at the deadline."""
        id = self.home.ids.new("saga") if key is None else saga_id(key)
        call = Keyed.of(self.name, self.method, arguments, id, undoes)
        if undoes is not None and not await self.has_undoing(call):
            return None
        until, backoff, begun = patience(), Backoff(first=LOOK, most=LONGEST_LOOK), False
        while True:
            ongoing = self.home.ongoing.get(id) or await self.begin(call, keyed=key is not None, begun=begun)
            begun = True
            if isinstance(ongoing, Answer):
                return ongoing.give(self.method, self.name)
            if ongoing is None:
                await self.pause(id, backoff.pause(), until)
                continue
            answer = await self.wait(ongoing, call, until)
            if answer is not None:
                return answer.give(self.method, self.name)

    async def begin_by(self, unit: Unit, message: Message, event: Event) -> None:
        """A subscriber: begin a saga for an event, in the receiver's transaction; it runs once that is durable."""
        (parameter,) = self.method.arguments.__struct_fields__
        id = saga_id(key_of(message, self.name))
        call = Keyed.of(self.name, self.method, self.method.arguments(**{parameter: event}), id, None)
        record = self.record(call, keyed=False)
        await self.home.journal.write_saga(unit, record)
        unit.after.add(lambda: self.home.go_on(record))

    def record(self, call: Keyed, *, keyed: bool) -> Record:
        """A new saga."""
        caller = CONTEXT.get().caller
        return Record(call.key, call, keyed, codec.encode(caller), caller.subject, version=self.method.version)

    async def has_undoing(self, call: Keyed) -> bool:
        """Whether the call that this one undoes was done; a tombstone is left where it never came."""
        return await transact(self.home.store, self.home.module, lambda unit: self.home.inbox.undoing(unit, call))

    async def begin(self, call: Keyed, *, keyed: bool, begun: bool) -> Ongoing | Answer | None:
        """Start the saga, or give its answer; None where another process is at it, or nobody while it waits."""
        home = self.home
        if begun and not keyed:
            record = await home.journal.read(call.key)
            return record.cause if record is not None and record.state in ENDED else None
        if keyed:
            row = await home.inbox.look(call.key)
            if row is not None:
                row.check(call)
                return row.final
        if (ongoing := home.ongoing.get(call.key)) is not None:
            return ongoing
        return home.start(self.record(call, keyed=keyed))

    async def wait(self, ongoing: Ongoing, call: Keyed, until: float) -> Answer | None:
        """The answer of a saga that runs here, unless the time comes first."""
        if ongoing.run.record.call.fingerprint != call.fingerprint:
            raise KeyReused(self.name)
        left = until - asyncio.get_running_loop().time()
        await asyncio.wait({ongoing.task}, timeout=None if left == math.inf else max(0.0, left))
        if not ongoing.task.done() or ongoing.task.cancelled():
            raise StillRunning(self.name, call.key)
        return ongoing.task.result()

    async def pause(self, id: str, seconds: float, until: float) -> None:
        """Another process runs the saga: look again in a moment, unless the time comes first."""
        left = until - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, min(seconds, left)))
        if left < seconds:
            raise StillRunning(self.name, id)


def patience() -> float:
    """Until when an answer is waited for, by the event loop's clock: a little less than until the deadline."""
    left = CONTEXT.get().left()
    if left is None:
        return math.inf
    return asyncio.get_running_loop().time() + left - min(max(left * MARGIN, LEAST), MOST)


def saga_id(key: str) -> str:
    """The id of the saga that runs under a key: the key's digest, so that all replicas find the same one."""
    return f"saga-{blake2b(key.encode(), digest_size=16).hexdigest()}"

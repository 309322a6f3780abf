"""One saga on its way: performs its steps, merged into one transaction where it can, and undoes them when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, cast

from craton.calls import codec
from craton.calls.context import CONTEXT, Caller, Context, context
from craton.calls.endpoint import Endpoint
from craton.calls.retry import FINAL, Backoff
from craton.contract import Method
from craton.data.inbox import DONE, Answer, Taken, answer_of
from craton.data.store import ALONE, Conflict, Store, Unit
from craton.errors import CallError, Failed, Misuse, NotRun, OutcomeUnknown, ReplayDiffers
from craton.failpoints import reach
from craton.sagas.asking import Asking
from craton.sagas.journal import Answered, Entry, Journal, Record
from craton.sagas.saga import Bound
from craton.values import Fault

log = logging.getLogger("craton.sagas")


class Parked(Exception):
    """The saga waits for a person: it can neither go on nor go back."""


class Untold(BaseException):
    """The database did not say whether it took a saga that has no key and no journal, where that could be seen."""


class Run:
    """One saga in this process. What it has not committed yet is lost with it, and then has not happened."""

    def __init__(
        self, record: Record, method: Method, body: Callable[[Any], Any],
        *, journal: Journal, endpoint: Callable[[str], Endpoint], clock: Callable[[], datetime], trace: str,
    ) -> None:
        self.record, self.method, self.body, self.trace = record, method, body, trace
        self.journal, self.endpoint, self.clock = journal, endpoint, clock
        self.store: Store = journal.store
        self.module = journal.module
        self.unit: Unit | None = None
        self.step = self.ids = self.conflicts = 0
        self.pivoted = False

    # ------------------------------------------------------------------ from start to answer

    async def go(self) -> Answer:
        """The saga's answer; again from the journal after each conflict."""
        backoff = Backoff(first=0.005, most=1.0)
        while True:
            try:
                return await self.attempt()
            except Taken as taken:
                raise Answered(self.record.id) from taken
            except Untold as untold:
                raise OutcomeUnknown(str(untold)) from untold
            except Conflict as conflict:
                self.conflicts = max(self.conflicts + 1, ALONE if conflict.alone else 0)
                if not self.record.stored and self.conflicts > 3:
                    raise NotRun(f"{self.record.call.name}: not taken ({conflict}): ask again.") from conflict
                await asyncio.sleep(backoff.pause())
                await self.reload()

    async def reload(self) -> None:
        """Forget what was not committed."""
        stored = await self.journal.check(self.record)
        if stored is not None:
            if stored.state not in ("running", "undoing"):
                raise Answered(self.record.id)
            self.record = stored
        else:
            self.record.entries, self.record.state, self.record.cause = {}, "running", None
            self.record.dirty = set()

    async def attempt(self) -> Answer:
        """From the journal's end to the answer."""
        self.step = self.ids = 0
        self.unit, self.pivoted = None, False
        caller = codec.decode(Caller, self.record.caller)
        CONTEXT.set(Context(caller=caller, trace=self.trace, kind="saga", run=self))
        try:
            return await self.forward() if self.record.state == "running" else await self.backward()
        except BaseException as error:
            await self.drop(error)
            raise

    async def drop(self, error: BaseException) -> None:
        """Roll back what is open. Where that was lost already, nothing that followed from it counts."""
        unit, self.unit = self.unit, None
        try:
            if unit is not None:
                await unit.rollback()
        except Conflict:
            if not isinstance(error, asyncio.CancelledError):
                raise

    async def forward(self) -> Answer:
        """Run the body, from its start: steps that are in the journal answer from it."""
        try:
            result = await self.body(codec.decode_arguments(self.method, self.record.call.arguments))
            answer = answer_of(result, None)
            await self.finish("done", answer)
            return answer
        except Parked:
            raise
        except Exception as error:
            return await self.fail(error)

    async def fail(self, error: Exception) -> Answer:
        """Take back what was done; after the pivot there is no way back, and a person must look."""
        if isinstance(error, ReplayDiffers):
            await self.park(error)
        if isinstance(error, Fault) and type(error) in self.method.raises:
            cause = answer_of(None, error)
        else:
            bug = None if isinstance(error, CallError) else error
            log.warning("saga %s (%s) fails: %s", self.record.id, self.method.name, error, exc_info=bug)
            cause = Answer("failed", type=f"{type(error).__name__}: {error}")
        if self.pivoted:
            await self.park(error)
        self.record.state, self.record.cause = "undoing", cause
        return await self.backward()

    async def backward(self) -> Answer:
        """Undo, last step first."""
        entries = self.record.entries
        for step in sorted(entries, reverse=True):
            if entries[step].undo is not None and entries[step].status not in ("undone", "fault"):
                await self.undo(step, entries[step])
        cause = self.record.cause or Answer("failed", type="it was undone for a reason that is not recorded")
        await self.finish(cause.status, cause)
        return cause

    async def finish(self, state: str, answer: Answer) -> None:
        """The last commit."""
        self.record.state, self.record.cause = state, answer
        await self.commit(answer)

    async def park(self, error: Exception) -> None:
        """Leave it, visible, to a person."""
        log.error("saga %s (%s) is parked: %s", self.record.id, self.method.name, error)
        self.record.state = "parked"
        self.record.cause = Answer("failed", type=f"{type(error).__name__}: {error}")
        await self.commit(None)
        raise Parked(self.record.id)

    # ------------------------------------------------------------------ the window: a transaction of several steps

    async def window(self) -> Unit:
        """The open transaction."""
        if self.unit is None:
            self.unit = self.store.unit(self.module, wide=True, attempt=min(self.conflicts, ALONE))
        self.unit.module, self.unit.writable, self.unit.wrote = self.module, True, False
        return self.unit

    async def flush(self) -> None:
        """Before anything goes outside: commit what is buffered, with the steps that share the transaction."""
        if self.record.dirty or self.unit is not None or not self.record.stored:
            await self.commit(None)

    async def commit(self, final: Answer | None) -> None:
        """Commit the open transaction, with the journal where one is needed. Where the database is away, or does not
        say whether it took it, the saga goes on from what it has taken."""
        try:
            unit = await self.window()
            await self.journal.write(unit, self.record, final)
            self.unit = None
            await unit.commit()
        except CallError as error:
            if isinstance(error, OutcomeUnknown) and not self.record.keyed and not self.record.stored:
                raise Untold(str(error)) from error
            raise Conflict(str(error)) from error  # the journal, or the key, will tell
        except Exception as error:  # such as a deferred constraint: nothing of this transaction has happened
            await self.drop(error)
            await self.reload()
            raise
        self.record.stored = self.record.stored or final is None
        self.record.dirty.clear()
        self.conflicts = 0

    def note(self, step: int, entry: Entry) -> None:
        """Remember a step, to be written with the next commit."""
        self.record.entries[step] = entry
        self.record.dirty.add(step)

    # ------------------------------------------------------------------ steps

    def new_id(self, kind: str) -> str:
        """An id, the same in a replay."""
        self.ids += 1
        digest = blake2b(f"{self.record.id}/{kind}/{self.ids}".encode(), digest_size=12).hexdigest()
        return f"{kind}-{digest}"

    async def now(self) -> datetime:
        """The time, the same in a replay."""
        self.step += 1
        entry = self.record.entries.get(self.step)
        if entry is None:
            entry = Entry("now", b"", "done", codec.encode(self.clock().astimezone(UTC)))
            self.note(self.step, entry)
        return cast("datetime", codec.decode(datetime, self.compare(entry, "now", b"").answer or b""))

    def compare(self, entry: Entry, name: str, arguments: bytes) -> Entry:
        """The journal's entry, if it is of the same call."""
        if (entry.method, entry.arguments) != (name, arguments):
            now = name if entry.method != name else f"{name} with other arguments"
            raise ReplayDiffers(self.record.id, self.step, entry.method, now)
        return entry

    async def perform(self, call: Bound, undo: Bound | None) -> Any:
        """Carry out the next step, or give the journal's answer."""
        self.step += 1
        step, endpoint = self.step, call.endpoint
        arguments = codec.encode_arguments(endpoint.method, call.arguments)
        entry = self.record.entries.get(step)
        if entry is not None and self.compare(entry, endpoint.name, arguments).status != "asked":
            return self.replay(entry, endpoint, undo)
        entry = entry or self.entry(call, undo, arguments)
        if self.merged(endpoint):
            value = await self.inside(step, call, entry)
        else:
            value = await self.outside(step, call, entry)
        self.pivoted = self.pivoted or (endpoint.method.kind == "effect" and undo is None)
        return value

    def entry(self, call: Bound, undo: Bound | None, arguments: bytes) -> Entry:
        """The journal's row of a new step."""
        entry = Entry(call.endpoint.name, arguments, "asked")
        if undo is not None:
            if undo.endpoint.module != call.endpoint.module:
                raise Misuse(
                    f"{call.endpoint.name} cannot be undone by {undo.endpoint.name}: "
                    "an undo belongs to the step's module."
                )
            entry.undo = undo.endpoint.name
            entry.undo_arguments = codec.encode_arguments(undo.endpoint.method, undo.arguments)
        return entry

    def replay(self, entry: Entry, endpoint: Endpoint, undo: Bound | None) -> Any:
        """What the step answered before."""
        self.pivoted = self.pivoted or (entry.status == "done" and endpoint.method.kind == "effect" and undo is None)
        return Answer(entry.status, entry.answer, entry.type).give(endpoint.method, endpoint.name)

    def merged(self, endpoint: Endpoint) -> bool:
        """Whether a step is part of the saga's own transaction."""
        return endpoint.store is self.store and endpoint.method.kind in ("query", "command")

    async def inside(self, step: int, call: Bound, entry: Entry) -> Any:
        """A step in the open transaction, as a savepoint of it."""
        endpoint, value = call.endpoint, None
        async with self.part(f"step{step}") as unit:
            try:
                value = await self.body_of(endpoint, call.arguments, unit, f"{self.record.id}:{step}")
                answer = answer_of(value, None)
            except Exception as error:
                answer = await self.refusal(endpoint, error)
                await unit.rollback_to(f"step{step}")
        entry.status, entry.answer, entry.type = answer.status, answer.body, answer.type
        self.note(step, entry)
        return value if answer.status == "done" else answer.give(endpoint.method, endpoint.name)

    @asynccontextmanager
    async def part(self, name: str) -> AsyncIterator[Unit]:
        """A part of the open transaction that can be undone. Conflict where the database is away: no step failed."""
        unit = await self.window()
        try:
            await unit.savepoint(name)
            yield unit
            await unit.release(name)
        except CallError as error:
            raise Conflict(str(error)) from error

    async def body_of(self, endpoint: Endpoint, arguments: Any, unit: Unit, key: str) -> Any:
        """Run an implementation in the open transaction."""
        assert endpoint.body is not None
        unit.module, unit.writable, unit.wrote = endpoint.module, endpoint.method.kind == "command", False
        with context(kind=endpoint.method.kind, key=key, given=None, inner=None, unit=unit, run=None):
            return await endpoint.body(arguments)

    async def refusal(self, endpoint: Endpoint, error: Exception) -> Answer:
        """The answer that an error of a merged step makes; Conflict where the step may succeed when it is run again,
        LeaseLost where it broke because another process has done it already."""
        if isinstance(error, Fault) and type(error) in endpoint.method.raises:
            return answer_of(None, error)
        if isinstance(error, CallError) and not isinstance(error, FINAL):
            raise Conflict(str(error)) from error
        await self.journal.check(self.record)
        log.error("%s failed in saga %s", endpoint.name, self.record.id, exc_info=error)
        return Answer("failed", type=f"{type(error).__name__}: {error}")

    async def outside(self, step: int, call: Bound, entry: Entry) -> Any:
        """A step elsewhere, or an effect: the intent is durable before it is asked."""
        self.note(step, entry)
        await self.flush()
        patient = self.pivoted or (entry.undo is None and call.endpoint.method.kind != "query")
        asking = Asking(call, key=f"{self.record.id}:{step}", patient=self.pivoted, patient_if_unknown=patient)
        try:
            value = await asking.insist()
        except Fault as fault:
            answer = answer_of(None, fault)
            entry.status, entry.answer, entry.type = answer.status, answer.body, answer.type
            self.note(step, entry)
            raise
        except CallError as error:
            if asking.unknown and entry.undo is None and call.endpoint.method.kind == "effect":
                await self.park(error)  # it may have happened, and cannot be taken back
            entry.status, entry.type = "failed", f"{type(error).__name__}: {error}"
            self.note(step, entry)
            raise Failed(call.endpoint.name, entry.type) from error
        reach("S1")
        entry.status, entry.answer = "done", codec.encode(value)
        self.note(step, entry)
        return value

    # ------------------------------------------------------------------ the way back

    async def undo(self, step: int, entry: Entry) -> None:
        """Take one step back. An undo that is refused parks the saga."""
        undo = self.endpoint(entry.undo or "")
        bound = Bound(undo, codec.decode_arguments(undo.method, entry.undo_arguments or b""))
        try:
            if self.merged(self.endpoint(entry.method)):
                await self.undo_inside(step, entry, bound)
            else:
                await self.undo_outside(step, bound)
        except (Fault, Failed) as error:
            await self.park(error)
        reach("S4")
        entry.status = "undone"
        self.note(step, entry)

    async def undo_inside(self, step: int, entry: Entry, undo: Bound) -> None:
        """In the same transaction, if the step was done: what was not done there left nothing."""
        if entry.status != "done":
            return
        answer = DONE
        async with self.part(f"undo{step}") as unit:
            try:
                await self.body_of(undo.endpoint, undo.arguments, unit, f"{self.record.id}:{step}:undo")
            except Exception as error:
                answer = await self.refusal(undo.endpoint, error)
                await unit.rollback_to(f"undo{step}")
        answer.give(undo.endpoint.method, undo.endpoint.name)

    async def undo_outside(self, step: int, undo: Bound) -> None:
        """Elsewhere: the step's key tells there what is to be undone; a tombstone stops a late original."""
        self.record.dirty.add(step)
        await self.flush()
        key = f"{self.record.id}:{step}"
        await Asking(undo, key=f"{key}:undo", undoes=key, patient=True, patient_if_unknown=True).insist()

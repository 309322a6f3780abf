"""One saga on its way: performs its steps, merged into one transaction where it can, and undoes them when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NoReturn, cast

from craton.calls import codec
from craton.calls.context import CONTEXT, Caller, Context, context
from craton.calls.endpoint import Endpoint
from craton.calls.retry import FINAL, Backoff
from craton.contract import Method
from craton.data.inbox import DONE, Answer, Taken, answer_of
from craton.data.store import ALONE, Conflict, Store, Unit
from craton.errors import CallError, Failed, Misuse, NotRun, OutcomeUnknown, ReplayDiffers
from craton.failpoints import reach
from craton.sagas.arrivals import Arrivals
from craton.sagas.asking import PATIENCE, Asking
from craton.sagas.journal import OPEN, Answered, Entry, Journal, PutDown, Record
from craton.sagas.saga import Bound
from craton.values import Fault

log = logging.getLogger("craton.sagas")
SIDE_BY_SIDE = 100
"""Steps of one `gather` that are asked at the same time, at most."""


class Parked(BaseException):
    """The saga waits for a person: it can neither go on nor go back."""


class Stuck(BaseException):
    """A step may have happened, and cannot be taken back."""

    def __init__(self, error: CallError) -> None:
        self.error = error
        super().__init__(str(error))


class Unwilling(Conflict):
    """A merged step would not run now, as when something that it asks is away: it is tried again from the start."""


class Untold(BaseException):
    """The database did not say whether it took a saga that has no key and no journal, where that could be seen."""


class Run:
    """One saga in this process. What it has not committed yet is lost with it, and then has not happened."""

    def __init__(
        self, record: Record, method: Method, body: Callable[[Any], Any],
        *, journal: Journal, arrivals: Arrivals, endpoint: Callable[[str], Endpoint], clock: Callable[[], datetime],
        trace: str,
    ) -> None:
        self.record, self.method, self.body, self.trace = record, method, body, trace
        self.journal, self.arrivals, self.endpoint, self.clock = journal, arrivals, endpoint, clock
        self.store: Store = journal.store
        self.module = journal.module
        self.unit: Unit | None = None
        self.step = self.ids = self.conflicts = 0
        self.pivoted = False
        self.differs: ReplayDiffers | None = None
        self.given_up: dict[int, Exception] = {}
        self.unwilling: dict[int, float] = {}

    @property
    def version(self) -> int:
        """The version of the code that the saga began with."""
        return self.record.version

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
            except Unwilling:
                await asyncio.sleep(backoff.pause())
                await self.reload()
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
            if stored.state not in OPEN:
                raise Answered(self.record.id)
            self.record = stored
        else:
            self.record.entries, self.record.state, self.record.cause = {}, "running", None
            self.record.due, self.record.awaits, self.record.dirty = None, None, set()

    async def attempt(self) -> Answer:
        """From the journal's end to the answer."""
        self.step = self.ids = 0
        self.unit, self.pivoted, self.differs, self.given_up = None, False, None, {}
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
            self.check_path()
            answer = answer_of(result, None)
            await self.finish("done", answer)
            return answer
        except Exception as error:
            return await self.fail(error)

    def check_path(self) -> None:
        """ReplayDiffers where the body has left the path of the journal, and perhaps caught what told it so."""
        if self.differs is not None:
            raise self.differs
        if left := [step for step in self.record.entries if step > self.step]:
            raise self.differ(min(left), self.record.entries[min(left)].method, "the saga's end")

    async def fail(self, error: Exception) -> Answer:
        """Take back what was done; after the pivot there is no way back, and a person must look."""
        try:
            self.check_path()
        except ReplayDiffers as differs:
            await self.park(differs)
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

    async def park(self, error: Exception) -> NoReturn:
        """Leave it, visible, to a person. The step that it was given up for is open again, for when it is retried."""
        log.error("saga %s (%s) is parked: %s", self.record.id, self.method.name, error)
        first = min((step for step, raised in self.given_up.items() if raised is error), default=self.step + 1)
        for step in self.given_up:
            if step >= first:
                self.record.entries[step].status = "asked"
                self.record.dirty.add(step)
        self.record.state, self.record.error = "parked", f"{type(error).__name__}: {error}"
        await self.commit(None)
        raise Parked(self.record.id)

    async def put_down(self, due: float, *, awaits: str | None = None, latest: str = "") -> NoReturn:
        """Let it wait in the database alone, until it is due. Conflict where what it awaits has arrived by now."""
        unit = await self.window()
        if awaits is not None:
            await self.arrivals.meet(unit, awaits, latest)
        self.record.state, self.record.due, self.record.awaits = "waiting", due, awaits
        await self.commit(None)
        raise PutDown(self.record.id)

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
        entry = self.next("now", b"", lambda: codec.encode(self.clock().astimezone(UTC)), status="done")
        return cast("datetime", codec.decode(datetime, entry.answer or b""))

    def next(self, name: str, arguments: bytes, first: Callable[[], bytes], *, status: str) -> Entry:
        """The journal's entry of the next step, which is no call; where there is none, a first one."""
        self.step += 1
        entry = self.record.entries.get(self.step)
        if entry is None:
            entry = Entry(name, arguments, status, first())
            self.note(self.step, entry)
        elif (entry.method, entry.arguments) != (name, arguments):
            raise self.differ(self.step, entry.method, name if entry.method != name else f"{name} of another key")
        return entry

    def differ(self, step: int, was: str, now: str) -> ReplayDiffers:
        """The error that says so; it is remembered, in case that the body catches it."""
        self.differs = self.differs or ReplayDiffers(self.record.id, step, was, now)
        return self.differs

    async def perform(self, call: Bound, undo: Bound | None) -> Any:
        """Carry out the next step, or give the journal's answer."""
        self.step += 1
        step, entry = self.step, self.known(self.step, call, undo)
        if entry.status != "asked" or self.merged(call.endpoint):
            value = await self.here(step, call, entry)
        else:
            self.note(step, entry)
            await self.flush()
            value = await self.unless_stuck(self.outside(step, call, entry))
        self.pass_pivot(call, undo)
        return value

    async def perform_all(self, steps: Sequence[tuple[Bound, Bound | None]]) -> tuple[Any, ...]:
        """Carry out the next steps side by side, each to its end; raise the first error among their ends."""
        numbered = list(enumerate(steps, self.step + 1))
        self.step += len(steps)
        entries = {step: self.known(step, *pair) for step, pair in numbered}
        near = {step for step, (call, _) in numbered if entries[step].status != "asked" or self.merged(call.endpoint)}
        ends = {step: await settled(self.here(step, c, entries[step])) for step, (c, _) in numbered if step in near}
        if far := [(step, call) for step, (call, _) in numbered if step not in near]:
            for step, _ in far:
                self.note(step, entries[step])
            await self.flush()
            ends |= await self.unless_stuck(self.all_outside(far, entries))
        for step, (call, undo) in numbered:
            if not isinstance(ends[step], Failure):
                self.pass_pivot(call, undo)
        for step, _ in numbered:
            if isinstance(end := ends[step], Failure):
                raise end.error
        return tuple(ends[step] for step, _ in numbered)

    async def all_outside(self, far: Sequence[tuple[int, Bound]], entries: dict[int, Entry]) -> dict[int, Any]:
        """The ends of steps elsewhere, asked at the same time. Stuck, when all have come to theirs."""
        room, stuck = asyncio.Semaphore(SIDE_BY_SIDE), list[Stuck]()

        async def one(step: int, call: Bound) -> Any:
            async with room:
                try:
                    return await settled(self.outside(step, call, entries[step]))
                except Stuck as found:
                    stuck.append(found)

        async with asyncio.TaskGroup() as group:
            tasks = {step: group.create_task(one(step, call)) for step, call in far}
        if stuck:
            raise stuck[0]
        return {step: task.result() for step, task in tasks.items()}

    async def unless_stuck(self, work: Awaitable[Any]) -> Any:
        """What it gives; the saga is parked where a step may have happened, and cannot be taken back."""
        try:
            return await work
        except Stuck as stuck:
            await self.park(stuck.error)

    def pass_pivot(self, call: Bound, undo: Bound | None) -> None:
        """Remember that there is no way back from a step that was done."""
        self.pivoted = self.pivoted or (call.endpoint.method.kind == "effect" and undo is None)

    def known(self, step: int, call: Bound, undo: Bound | None) -> Entry:
        """The journal's entry of a step, if it is of the same call; where there is none, a new one."""
        endpoint, entry = call.endpoint, self.record.entries.get(step)
        arguments = codec.encode_arguments(endpoint.method, call.arguments)
        if entry is None:
            return self.entry(call, undo, arguments)
        if entry.method != endpoint.name:
            raise self.differ(step, entry.method, endpoint.name)
        if entry.arguments != arguments:
            raise self.differ(step, *different(endpoint, entry.arguments, arguments))
        return entry

    async def here(self, step: int, call: Bound, entry: Entry) -> Any:
        """A step that the journal has the answer of, or that is part of the open transaction."""
        return await self.inside(step, call, entry) if entry.status == "asked" else self.replay(step, call, entry)

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

    def replay(self, step: int, call: Bound, entry: Entry) -> Any:
        """What the step answered before."""
        endpoint, answer = call.endpoint, Answer(entry.status, entry.answer, entry.type)
        try:
            return answer.give(endpoint.method, endpoint.name)
        except Failed as error:
            self.given_up[step] = error
            raise
        except codec.MALFORMED as error:
            raise self.differ(step, f"{endpoint.name}, answered", f"one whose answer that is not ({error})") from error

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
                answer = await self.refusal(step, endpoint, error, undone_by=entry.undo)
                await unit.rollback_to(f"step{step}")
        self.close(step, entry, answer)
        return value if answer.status == "done" else self.replay(step, call, entry)

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

    async def refusal(
        self, step: int, endpoint: Endpoint, error: Exception, *, undone_by: str | None = None, patient: bool = False
    ) -> Answer:
        """The answer that an error of a merged step makes; Conflict where the step may succeed when it is run again,
        LeaseLost where it broke because another process has done it already."""
        if isinstance(error, Fault) and type(error) in endpoint.method.raises:
            return answer_of(None, error)
        if isinstance(error, CallError) and not isinstance(error, FINAL):
            if self.unit is None or self.unit.failed is error:
                raise Conflict(str(error)) from error  # the database's own
            unknown = isinstance(error, OutcomeUnknown) and undone_by is None and endpoint.method.kind != "query"
            if patient or self.pivoted or unknown or self.waited(step) < PATIENCE:
                raise Unwilling(str(error)) from error
        await self.journal.check(self.record)
        log.error("%s failed in saga %s", endpoint.name, self.record.id, exc_info=error)
        return Answer("failed", type=f"{type(error).__name__}: {error}")

    def waited(self, step: int) -> float:
        """Seconds since a merged step would first not run, for as long as one elsewhere would be asked."""
        now = asyncio.get_running_loop().time()
        return now - self.unwilling.setdefault(step, now)

    async def outside(self, step: int, call: Bound, entry: Entry) -> Any:
        """A step elsewhere, or an effect, whose intent is durable. Stuck where it may have happened, and cannot be
        taken back."""
        patient = self.pivoted or (entry.undo is None and call.endpoint.method.kind != "query")
        asking = Asking(call, key=f"{self.record.id}:{step}", patient=self.pivoted, patient_if_unknown=patient)
        try:
            value = await asking.insist()
        except Fault as fault:
            self.close(step, entry, answer_of(None, fault))
            raise
        except CallError as error:
            if asking.unknown and entry.undo is None and call.endpoint.method.kind == "effect":
                raise Stuck(error) from error
            self.close(step, entry, Answer("failed", type=f"{type(error).__name__}: {error}"))
            self.given_up[step] = failed = Failed(call.endpoint.name, entry.type or "")
            raise failed from error
        reach("S1")
        self.close(step, entry, answer_of(value, None))
        return value

    def close(self, step: int, entry: Entry, answer: Answer) -> None:
        """Note how a step ended."""
        entry.status, entry.answer, entry.type = answer.status, answer.body, answer.type
        self.note(step, entry)

    # ------------------------------------------------------------------ the way back

    async def undo(self, step: int, entry: Entry) -> None:
        """Take one step back. An undo that is refused parks the saga."""
        try:
            undo = self.endpoint(entry.undo or "")
            bound = Bound(undo, codec.decode_arguments(undo.method, entry.undo_arguments or b""))
            if self.merged(self.endpoint(entry.method)):
                await self.undo_inside(step, entry, bound)
            else:
                await self.undo_outside(step, bound, known=entry.status == "done")
        except KeyError as error:
            await self.park(Misuse(f"{entry.undo}, which undoes {entry.method}, is not there any more: {error}"))
        except (Fault, CallError) as error:
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
                answer = await self.refusal(step, undo.endpoint, error, patient=True)
                await unit.rollback_to(f"undo{step}")
        answer.give(undo.endpoint.method, undo.endpoint.name)

    async def undo_outside(self, step: int, undo: Bound, *, known: bool) -> None:
        """Elsewhere. Where it is not known here that the step was done, its key tells it there; a tombstone stops a
        late original. (Where it is known, the key may have been forgotten there by now.)"""
        self.record.dirty.add(step)
        await self.flush()
        key = f"{self.record.id}:{step}"
        undoes = None if known else key
        await Asking(undo, key=f"{key}:undo", undoes=undoes, patient=True, patient_if_unknown=True).insist()


@dataclass(frozen=True, slots=True)
class Failure:
    """How a step of a gather ended that has no result."""

    error: Exception


async def settled(work: Awaitable[Any]) -> Any:
    """A result, or the Failure."""
    try:
        return await work
    except Exception as error:
        return Failure(error)


def different(endpoint: Endpoint, was: bytes, now: bytes) -> tuple[str, str]:
    """Two calls of one method, by the arguments that differ."""
    try:
        old, new = (codec.shown_arguments(endpoint.method, body) for body in (was, now))
    except CallError:
        return endpoint.name, f"{endpoint.name} with arguments of another shape"
    names = [name for name in old | new if old.get(name) != new.get(name)] or sorted(new)
    said = [", ".join(f"{name}={found.get(name)!r}" for name in names)[:200] for found in (old, new)]
    return f"{endpoint.name}({said[0]})", f"{endpoint.name}({said[1]})"

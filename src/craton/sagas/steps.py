"""The steps of a saga: merged into one transaction where they can be, else asked elsewhere; or replayed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, cast

from craton.calls import codec
from craton.calls.context import context
from craton.calls.endpoint import Endpoint
from craton.calls.retry import FINAL
from craton.data.inbox import Answer, answer_of
from craton.data.store import Conflict, Unit
from craton.errors import CallError, Failed, Misuse, OutcomeUnknown, ReplayDiffers
from craton.failpoints import reach
from craton.sagas import asking
from craton.sagas.asking import PATIENCE, Asking
from craton.sagas.jobs import JobSteps, first_error
from craton.sagas.journal import Entry
from craton.sagas.saga import Bound
from craton.sagas.tasks import TaskEndpoint
from craton.sagas.window import Stuck, Unwilling, away
from craton.values import Fault

log = logging.getLogger("craton.sagas")
SIDE_BY_SIDE = 100
"""Steps of one `gather` that are asked at the same time, at most."""


class Steps(JobSteps):
    """What the body of a saga does."""

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
        if isinstance(call.endpoint, TaskEndpoint):
            return (await self.perform_all([(call, undo)]))[0]
        self.step += 1
        step, entry = self.step, self.known(self.step, call, undo)
        if entry.status != "asked" or self.merged(call.endpoint):
            value = await self.here(step, call, entry)
        else:
            await self.set_out({step: (call, entry)})
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
        far = {step: (call, entries[step]) for step, (call, _) in numbered if step not in near}
        jobs = {step: of for step, of in far.items() if isinstance(of[0].endpoint, TaskEndpoint)}
        await self.store_jobs(jobs)
        if asked := {step: of for step, of in far.items() if step not in jobs}:
            await self.set_out(asked)
            ends |= await self.unless_stuck(self.all_outside(asked))
        if jobs:
            await self.end_jobs(jobs, failing=any(isinstance(end, Failure) for end in ends.values()))
            ends |= {step: await settled(self.here(step, *of)) for step, of in jobs.items()}
        for step, (call, undo) in numbered:
            if not isinstance(ends[step], Failure):
                self.pass_pivot(call, undo)
        self.raise_first({step: end.error for step, end in sorted(ends.items()) if isinstance(end, Failure)})
        return tuple(ends[step] for step, _ in numbered)

    def raise_first(self, errors: dict[int, Exception]) -> None:
        """The error of a gather, if there is one; all steps that it ended are given up for it."""
        if errors:
            error = first_error([(raised, self.record.entries[step]) for step, raised in errors.items()])
            self.given_up |= {step: error for step in errors if step in self.given_up}
            raise error

    async def set_out(self, far: Mapping[int, tuple[Bound, Entry]]) -> None:
        """Make it durable that steps elsewhere are asked; in the same commit, the intents of effects that share the
        database. (After a conflict an effect writes its own, and finds what there may be.)"""
        for step, (call, entry) in far.items():
            new, effect = step not in self.record.entries, call.endpoint.effect
            self.note(step, entry)
            if new and effect is not None and call.endpoint.store is self.store and not self.conflicts:
                unit, key = await self.window(), f"{self.record.id}:{step}"
                with away():
                    self.intents[step] = await effect.intend(unit, call.arguments, key=key, seconds=asking.ANSWER)
        await self.flush()

    async def all_outside(self, far: Mapping[int, tuple[Bound, Entry]]) -> dict[int, Any]:
        """The ends of steps elsewhere, asked at the same time. Stuck, when all have come to theirs."""
        room, stuck = asyncio.Semaphore(SIDE_BY_SIDE), list[Stuck]()

        async def one(step: int, call: Bound, entry: Entry) -> Any:
            async with room:
                try:
                    return await settled(self.outside(step, call, entry))
                except Stuck as found:
                    stuck.append(found)

        async with asyncio.TaskGroup() as group:
            tasks = {step: group.create_task(one(step, *of)) for step, of in far.items()}
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
        if call.endpoint.method.kind == "effect" and undo is None and not isinstance(call.endpoint, TaskEndpoint):
            self.pivoted = True

    def known(self, step: int, call: Bound, undo: Bound | None) -> Entry:
        """The journal's entry of a step, if it is of the same call; where there is none, a new one."""
        endpoint, entry = call.endpoint, self.record.entries.get(step)
        if not endpoint.method.keyed:
            raise Misuse(f"{endpoint.name} is done anew whenever it is asked (keyed=False): no saga can call it.")
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
            self.hear(step, entry, answer_of(None, fault))
            raise
        except CallError as error:
            if asking.unknown and entry.undo is None and call.endpoint.method.kind == "effect":
                raise Stuck(error) from error
            self.hear(step, entry, Answer("failed", type=f"{type(error).__name__}: {error}"))
            self.given_up[step] = failed = Failed(call.endpoint.name, entry.type or "")
            raise failed from error
        reach("S1")
        self.hear(step, entry, answer_of(value, None))
        return value

    def hear(self, step: int, entry: Entry, answer: Answer) -> None:
        """Note how a step elsewhere ended: whatever happens to the open transaction, it need not be asked again."""
        self.heard[step] = answer
        self.close(step, entry, answer)


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

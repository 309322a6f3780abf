"""One saga on its way, from its start to its answer; undoes what it has done when it fails."""

from __future__ import annotations

import asyncio
import logging

from craton.calls import codec
from craton.calls.context import CONTEXT, Caller, Context
from craton.calls.retry import Backoff
from craton.data.inbox import DONE, Answer, Taken, answer_of
from craton.data.store import ALONE, Conflict
from craton.errors import CallError, Misuse, NotRun, OutcomeUnknown, ReplayDiffers
from craton.failpoints import reach
from craton.sagas.asking import Asking
from craton.sagas.journal import Answered, Entry
from craton.sagas.saga import Bound
from craton.sagas.steps import Steps
from craton.sagas.tasks import is_job
from craton.sagas.window import Untold, Unwilling
from craton.values import Fault

log = logging.getLogger("craton.sagas")


class Run(Steps):
    """One saga, run by this process."""

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
            if entries[step].undo is not None and may_have_left(entries[step]):
                await self.undo(step, entries[step])
        cause = self.record.cause or Answer("failed", type="it was undone for a reason that is not recorded")
        await self.finish(cause.status, cause)
        return cause

    async def finish(self, state: str, answer: Answer) -> None:
        """The last commit."""
        self.record.state, self.record.cause = state, answer
        await self.commit(answer)

    # ------------------------------------------------------------------ the way back

    async def undo(self, step: int, entry: Entry) -> None:
        """Take one step back. An undo that is refused parks the saga."""
        try:
            undo, job = self.endpoint(entry.undo or ""), is_job(entry)
            bound = Bound(undo, codec.decode_arguments(undo.method, entry.undo_arguments or b""))
            inside = self.merged(undo if job else self.endpoint(entry.method))
            await (self.undo_inside if inside else self.undo_outside)(step, bound, known=job or entry.status == "done")
        except KeyError as error:
            await self.park(Misuse(f"{entry.undo}, which undoes {entry.method}, is not there any more: {error}"))
        except (Fault, CallError) as error:
            await self.park(error)
        reach("S4")
        entry.status = "undone"
        self.note(step, entry)

    async def undo_inside(self, step: int, undo: Bound, *, known: bool) -> None:
        """In the same transaction, if the step was done: what was not done there left nothing."""
        if not known:
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


def may_have_left(entry: Entry) -> bool:
    """Whether there may be something to undo: where a method answers with a fault, nothing of it stays; of a job, all
    that its handler had done."""
    return entry.status != "undone" and (entry.status != "fault" or is_job(entry))

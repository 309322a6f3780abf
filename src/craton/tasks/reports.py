"""Reports: what workers say of their jobs is written down, many in one transaction, with what it leads to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select

from craton.calls import codec
from craton.calls.context import CONTEXT, Context
from craton.data.store import Conflict, Store, Unit, transact
from craton.data.tables import tables_of
from craton.errors import CallError, NotRun, OutcomeUnknown
from craton.failpoints import reach
from craton.task import Task
from craton.tasks import messages
from craton.tasks.failing import Failure, after
from craton.tasks.messages import Report, Verdict
from craton.tasks.rows import among, given
from craton.tasks.settling import Beat, End, Settling
from craton.values import body_of

log = logging.getLogger("craton.tasks")
AT_ONCE = 1000
"""Reports that are written down in one transaction."""
LARGEST = 1 << 20
"""Bytes of a result."""
LONGEST = 10_000
"""Characters of an error that are kept."""


@dataclass(slots=True, eq=False)
class Pending:
    """A report that waits to be written down."""

    report: Report
    future: asyncio.Future[Verdict]


class Reports:
    """The reports on one module's jobs in one process: what comes while others are written down waits for its turn."""

    def __init__(
        self, store: Store, module: str, tasks: Mapping[str, Task[Any, Any]], *, settling: Settling
    ) -> None:
        self.store, self.module, self.settling = store, module, settling
        self.tasks, self.random = tasks, SystemRandom()
        self.waiting = list[Pending]()
        self.signal, self.closed = asyncio.Event(), False
        t = tables_of(module).job
        found = select(t.c.id, t.c.task, t.c.state, t.c.fence, t.c.attempt, t.c.released)
        self.find = found.where(among(store, t.c.id))

    async def report(self, reports: Sequence[Report]) -> list[Verdict]:
        """See `Control.report`. CallError where the database is away: it may be sent again."""
        if self.closed:
            raise NotRun(f"{self.module} stops: report again.")
        loop = asyncio.get_running_loop()
        pending = [Pending(report, loop.create_future()) for report in reports]
        self.waiting += pending
        self.signal.set()
        found = await asyncio.gather(*(one.future for one in pending), return_exceptions=True)
        for verdict in found:
            if isinstance(verdict, BaseException):
                raise verdict
        return [verdict for verdict in found if not isinstance(verdict, BaseException)]

    async def run(self) -> None:
        """For ever: write down what has been reported."""
        CONTEXT.set(Context())
        batch = list[Pending]()
        while True:
            try:
                await self.signal.wait()
                batch, self.waiting = self.waiting[:AT_ONCE], self.waiting[AT_ONCE:]
                if not self.waiting:
                    self.signal.clear()
                await self.settle(batch)
            except asyncio.CancelledError:
                self.closed = True
                refuse([*batch, *self.waiting], OutcomeUnknown(f"{self.module} stops: report again."))
                raise

    async def settle(self, batch: Sequence[Pending]) -> None:
        """Write a batch down; where that fails for another reason than the database's being away, one by one."""
        try:
            verdicts = await self.write([one.report for one in batch])
        except CallError as error:
            refuse(batch, error)
        except Exception:
            if len(batch) == 1:
                log.exception("%s: a report on %s was refused", self.module, batch[0].report.taskid)
                answer(batch, ["refused"])
            else:
                for one in batch:
                    await self.settle([one])
        else:
            answer(batch, verdicts)

    async def write(self, reports: Sequence[Report]) -> list[Verdict]:
        """One transaction for all of them."""
        return await transact(self.store, self.module, lambda unit: self.body(unit, reports))

    async def body(self, unit: Unit, reports: Sequence[Report]) -> list[Verdict]:
        """Look at the jobs, outside the unit; and change those that are still their workers'."""
        asked = given({"job": job} for job in {report.taskid for report in reports})
        rows = {row.id: row for row in (await self.store.read(self.module, self.find, asked)).all()}
        said: list[Beat | End | Verdict] = [self.read(report, rows.get(report.taskid)) for report in reports]
        beats = {one.job: one for one in said if isinstance(one, Beat)}
        ends = {one.job: one for one in reversed(said) if isinstance(one, End)}
        beaten = await self.settling.beat(unit, list(beats.values()))
        ended = await self.settling.settle(unit, list(ends.values()))
        if missed := (beats.keys() - beaten.keys()) | (ends.keys() - ended.keys()):
            raise Conflict(f"{len(missed)} jobs were taken from their workers meanwhile")
        reach("W4")
        return [self.verdict(one, beaten) for one in said]

    def verdict(self, said: Beat | End | Verdict, beaten: Mapping[str, bool]) -> Verdict:
        """What a worker is told."""
        if isinstance(said, str):
            return said
        return "cancel" if isinstance(said, Beat) and beaten[said.job] else "taken"

    def read(self, report: Report, row: Any) -> Beat | End | Verdict:
        """What is to be written down; or the verdict, where there is nothing to write."""
        if row is None or row.fence != report.taskfence or row.task not in self.tasks:
            return "refused"
        if row.state != "leased":  # its worker has reported its end before, or the fence would be another one
            return "refused" if report.type == messages.HEARTBEAT else "taken"
        try:
            return self.said(report, self.tasks[row.task], row.attempt - row.released)
        except codec.MALFORMED as error:
            log.warning("%s: a report on %s does not fit: %s", self.module, report.taskid, error)
            return "refused"

    def said(self, report: Report, task: Task[Any, Any], tries: int) -> Beat | End:
        """What a report says. Raises MALFORMED errors."""
        job, fence = report.taskid, report.taskfence
        if report.type == messages.HEARTBEAT:
            beat = data_of(report, messages.Heartbeat)
            progress = None if beat.progress is None else min(1.0, max(0.0, beat.progress))
            return Beat(job, fence, progress, text_of(beat.checkpoint))
        if report.type == messages.RELEASED:
            return End(job, fence, "queued", back=1)
        if report.type == messages.CANCELLED:
            return End(job, fence, "cancelled")
        if report.type == messages.SUCCEEDED:
            result = data_of(report, messages.Succeeded).result
            failure = misfit(task, bytes(result))
            if failure is None:
                return End(job, fence, "done", result=bytes(result).decode())
        elif report.type == messages.FAILED:
            failure = failure_of(data_of(report, messages.Failed), task)
        else:
            raise msgspec.ValidationError(f"{report.type} is no report")
        state, delay = after(failure, task, tries=tries, random=self.random)
        return End(job, fence, state, delay, code=failure.code, error=failure.error, result=failure.fault)


D = TypeVar("D")


def data_of(report: Report, kind: type[D]) -> D:
    """The data of a report. Raises MALFORMED errors."""
    found: D = codec.from_json(kind, b"{}" if report.data is UNSET else bytes(report.data))
    return found


def text_of(json: msgspec.Raw | UnsetType) -> str | None:
    """JSON as text."""
    return None if isinstance(json, UnsetType) else bytes(json).decode()


def misfit(task: Task[Any, Any], result: bytes) -> Failure | None:
    """Why a result is none, and no further attempt would help; None where it is one."""
    if len(result) > LARGEST:
        return Failure("ResultTooLarge", f"its result has {len(result)} bytes, {LARGEST} at most: store it as a blob, "
                       "and return its path", retryable=False)
    try:
        codec.from_json(task.output, result)
    except codec.MALFORMED as error:
        return Failure("WrongResult", f"its result is no {task.output.__name__}: {error}", retryable=False)
    return None


def failure_of(said: messages.Failed, task: Task[Any, Any]) -> Failure:
    """A failure that was reported; of a fault, only where the task declares it, and its fields fit."""
    fault = next((kind for kind in task.raises if kind.__name__ == said.code), None)
    body = text_of(said.fault)
    if fault is not None and body is not None:
        codec.from_json(body_of(fault), body.encode())
        return Failure(said.code, clean(said.message), retryable=False, fault=body)
    return Failure(clean(said.code), clean(said.message), said.retryable, said.retryafter)


def clean(text: str) -> str:
    """A text as databases keep it."""
    return text[:LONGEST].replace("\0", "")


def answer(batch: Sequence[Pending], verdicts: Sequence[Verdict]) -> None:
    """Tell those who wait."""
    for one, verdict in zip(batch, verdicts, strict=True):
        if not one.future.done():
            one.future.set_result(verdict)


def refuse(batch: Sequence[Pending], error: Exception) -> None:
    """Tell those who wait that it could not be written down."""
    for one in batch:
        if not one.future.done():
            one.future.set_exception(error)

"""A worker: takes jobs as long as it has free slots, runs their handlers, and reports how they go and end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence

from craton.blobs import Blobs
from craton.calls import codec
from craton.tasks.attempt import Attempt
from craton.tasks.child import Work
from craton.tasks.children import Children
from craton.tasks.doorbell import Doorbell
from craton.tasks.handlers import Handler, Supplies
from craton.tasks.intake import intake_of
from craton.tasks.job import Job
from craton.tasks.messages import RELEASED, SUCCEEDED, Requested, encode, report
from craton.tasks.outcomes import Outcome, failed, given, is_expected, raised, trace
from craton.tasks.reporter import Reporter
from craton.tasks.sources import Source

GRACE = 10.0
"""Seconds that what runs may go on when the worker stops."""
CLEAN = 10.0
"""Seconds that it may take to remove what an attempt has made."""
HIDDEN = frozenset({"CRATON_WORKER_TOKEN", "CRATON_SECRET", "CRATON_BROKER", "CRATON_DATABASE"})
"""What child processes have no use for, and what they start even less."""
log = logging.getLogger("craton.tasks")


class Worker:
    """Runs the jobs of some queues: `run` does so until it is cancelled, then gives back what takes longer than
    `grace` seconds. With a `doorbell` it waits for its rings, else it asks the sources.

    `handlers` are by "module.task". `slots`: what the weights of its jobs may come to; one that weighs more is run
    alone.
    """

    def __init__(
        self, name: str, handlers: Mapping[str, Handler], sources: Sequence[Source],
        *, queues: Sequence[str], slots: int, environ: Mapping[str, str], doorbell: Doorbell | None = None,
        grace: float = GRACE,
    ) -> None:
        self.name, self.handlers, self.queues, self.slots, self.grace = name, handlers, tuple(queues), slots, grace
        self.supplies = Supplies(environ)
        self.children = Children({name: text for name, text in environ.items() if name not in HIDDEN})
        self.supplies.check(handlers.values())
        self.sources, self.doorbell = tuple(sources), doorbell
        self.reporters = {id(source): Reporter(source.control, self.forget) for source in sources}
        self.running: dict[asyncio.Task[None], Attempt] = {}
        self.used = 0
        self.changed = asyncio.Event()
        self.cleaning: set[asyncio.Task[None]] = set()
        self.stopping = False

    @property
    def room(self) -> int:
        """Its free slots."""
        return max(0, self.slots - self.used)

    async def has_room(self, weight: int = 1) -> None:
        """Wait until a job of this weight may begin."""
        while self.used and self.room < weight:
            self.changed.clear()
            await self.changed.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        reporting = [asyncio.create_task(reporter.run(), name="reports") for reporter in self.reporters.values()]
        taking = asyncio.create_task(intake_of(self).run(), name="intake")
        try:
            done, _ = await asyncio.wait({taking, *reporting}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # none of them ends, but by an error
        finally:
            taking.cancel()
            await asyncio.wait({taking})
            await self.drain()
            for task in reporting:
                task.cancel()
            await asyncio.wait(reporting)

    async def drain(self) -> None:
        """Wait for what runs, give back what takes too long, and tell of all."""
        self.stopping = True
        try:
            if self.running:
                log.info("stopping: %s jobs have %g s to end", len(self.running), self.grace)
                await asyncio.wait(self.running, timeout=self.grace)
            for attempt in list(self.running.values()):
                attempt.stop("released")
            if self.running:
                await asyncio.wait(self.running)
            await asyncio.gather(*(reporter.flush() for reporter in self.reporters.values()))
            if self.cleaning:
                await asyncio.wait(self.cleaning)
        finally:
            await self.children.close()

    # ------------------------------------------------------------------ jobs

    def begin(self, source: Source, jobs: Iterable[Requested]) -> None:
        """Begin jobs that were taken. What there is no room for is given back."""
        reporter = self.reporters[id(source)]
        for job in jobs:
            attempt = Attempt(job, worker=self.name, wake=reporter.awake.set)
            if self.stopping or (self.used and self.room < job.taskweight):
                reporter.end(attempt, report(job, RELEASED, worker=self.name))
                continue
            self.used += job.taskweight
            reporter.begin(attempt)
            running = asyncio.create_task(self.carry_out(attempt, reporter), name=job.taskid)
            self.running[running] = attempt
            running.add_done_callback(self.ended)

    def ended(self, running: asyncio.Task[None]) -> None:
        """A job has left its slots."""
        attempt = self.running.pop(running)
        self.used -= attempt.job.taskweight
        self.changed.set()
        if not running.cancelled() and (error := running.exception()):
            log.error("%s: the worker broke", attempt.job.taskid, exc_info=error)

    async def carry_out(self, attempt: Attempt, reporter: Reporter) -> None:
        """One attempt, from its beginning to its report."""
        told = None
        try:
            told = await attempt.run(lambda: self.work(attempt))
            if told is None or (told.type != SUCCEEDED and not attempt.kept):
                await self.clean(attempt)
        finally:
            reporter.end(attempt, told)

    async def work(self, attempt: Attempt) -> Outcome:
        """What the handler does."""
        job, handler = attempt.job, self.handlers.get(attempt.job.taskname)
        if handler is None:
            return failed("no-handler", f"worker {self.name} has no handler of {job.taskname}: update it")
        if not handler.is_async:
            return await self.children.carry_out(Work(handler.path, handler.name, encode(job)), attempt)
        try:
            attempt.begun()
            given_to = self.supplies.of(handler, Job(job, attempt.tell))
            return given(handler, await handler.function(codec.from_json(handler.input, job.data), **given_to))
        except Exception as error:
            if not is_expected(error):
                log.warning("%s, attempt %s: %s", job.taskid, job.taskattempt, trace(error))
            return raised(error)

    def forget(self, attempt: Attempt) -> None:
        """The end of an attempt was refused: somebody else does the job."""
        cleaning = asyncio.create_task(self.clean(attempt))
        self.cleaning.add(cleaning)
        cleaning.add_done_callback(self.cleaning.discard)

    async def clean(self, attempt: Attempt) -> None:
        """Remove what an attempt may have put into its folder, which nobody will look for."""
        handler, folder = self.handlers.get(attempt.job.taskname), attempt.job.taskfolder
        if not folder or handler is None or Blobs not in handler.needs.values():
            return
        try:
            async with asyncio.timeout(CLEAN):
                await self.supplies.blobs.delete(folder)
        except Exception as error:  # whatever a store of blobs may raise: it costs some space, and nothing else
            log.warning("%s was not removed: %s", folder, error or type(error).__name__)

"""One attempt at a job, from its request to the report of how it ended, on the side of its worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from craton.tasks.messages import CANCELLED, HEARTBEAT, RELEASED, Heartbeat, Report, Requested, report
from craton.tasks.outcomes import Outcome, failed

Stopped = Literal["", "cancelled", "refused", "released"]
"""Why it was stopped: it was asked to; it is another worker's by now; the worker stops."""
Work = Callable[[], Coroutine[Any, Any, Outcome]]
LINGER = 5.0
"""Seconds that a handler on the loop has to end when it is cancelled."""
START = 60.0
"""Seconds that it may take until a handler is called: its process starts, and imports it."""
SHARE = 0.5
"""Seconds between two reports of progress."""
log = logging.getLogger("craton.tasks")


class Attempt:
    """A job that this worker has. `wake` is called when there is something to report sooner than was known."""

    def __init__(self, job: Requested, *, worker: str, wake: Callable[[], None]) -> None:
        self.job, self.worker, self.wake = job, worker, wake
        self.loop = asyncio.get_running_loop()
        self.stopped: Stopped = ""
        self.running: asyncio.Task[Any] | None = None
        self.over: asyncio.Future[None] = self.loop.create_future()
        self.seconds = START
        self.timer: asyncio.TimerHandle | None = None
        self.reported = self.loop.time()
        self.beat = self.reported + job.tasklease / 3
        self.share: float | None = None
        self.checkpoint: bytes | None = None
        self.waiting: list[asyncio.Future[None]] = []
        self.kept = bool(job.taskcheckpoint)
        """Whether there is a checkpoint, which may name what lies in the folders of attempts that failed."""

    # ------------------------------------------------------------------ running

    async def run(self, work: Work) -> Report | None:
        """Do the work within its time; what to report of it, None where it is not this worker's any more."""
        if self.was_stopped():  # before it began
            return self.ending(None)
        self.running = asyncio.current_task()
        self.limit(START)
        working = self.loop.create_task(work(), name=self.job.taskid)
        try:
            await asyncio.wait((working, self.over), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not working.done():
                await self.end(working)
            if not self.was_stopped():
                raise
            return self.ending(working)
        finally:
            self.running = None
            self.over.cancel()
            if self.timer:
                self.timer.cancel()
        if not working.done():
            await self.end(working)
            return self.outcome(failed("timeout", f"it took longer than {self.seconds:g} s"))
        return self.outcome(outcome_of(working))

    def limit(self, seconds: float) -> None:
        """Let it take so long from now on."""
        if self.timer:
            self.timer.cancel()
        self.seconds, self.timer = seconds, self.loop.call_later(seconds, self.expire)

    def begun(self) -> None:
        """Its handler is called now: its time begins."""
        self.limit(self.job.tasktimeout)

    def expire(self) -> None:
        """Its time is over."""
        if not self.over.done():
            self.over.set_result(None)

    def was_stopped(self) -> bool:
        """Whether somebody has stopped it."""
        return bool(self.stopped)

    def stop(self, why: Stopped) -> None:
        """Stop it, unless it has ended."""
        if not self.stopped:
            self.stopped = why
            if self.running is not None:
                self.running.cancel()

    async def end(self, working: asyncio.Task[Outcome]) -> None:
        """Cancel the work, and wait until it has ended: so long as it may take."""
        working.cancel()
        await asyncio.wait({working}, timeout=LINGER)
        if not working.done():
            log.error("%s, %s does not stop: its handler holds cancellation up", self.job.taskname, self.job.taskid)

    def ending(self, working: asyncio.Task[Outcome] | None) -> Report | None:
        """What to report of work that was stopped: its result, where it had one in the same moment."""
        if self.stopped == "refused":
            return None
        if working and working.done() and not working.cancelled() and working.exception() is None:
            return self.outcome(working.result())
        return report(self.job, CANCELLED if self.stopped == "cancelled" else RELEASED, worker=self.worker)

    def outcome(self, outcome: Outcome) -> Report:
        """The report of how it ended."""
        return report(self.job, outcome.kind, msgspec.Raw(outcome.data), worker=self.worker)

    # ------------------------------------------------------------------ telling how far it is

    async def tell(self, share: float, checkpoint: bytes | None) -> None:
        """Note how far it is, for the next heartbeat; wait for that where there is a checkpoint."""
        first, self.share = self.share is None, share
        if checkpoint is not None:
            self.checkpoint, self.kept, self.beat = checkpoint, True, self.loop.time()
            recorded = self.loop.create_future()
            self.waiting.append(recorded)
            self.wake()
            await recorded
        elif first:
            self.beat = min(self.beat, self.reported + SHARE)
            self.wake()

    def heartbeat(self) -> tuple[Report, list[asyncio.Future[None]]]:
        """What to say of it now, and who waits for that to be recorded."""
        checkpoint = UNSET if self.checkpoint is None else msgspec.Raw(self.checkpoint)
        told = report(self.job, HEARTBEAT, Heartbeat(self.share, checkpoint), worker=self.worker)
        waiting, self.waiting = self.waiting, []
        self.share = self.checkpoint = None
        self.reported = self.loop.time()
        self.beat = self.reported + self.job.tasklease / 3
        return told, waiting

    def again(self, told: Report, waiting: list[asyncio.Future[None]]) -> None:
        """Nobody took the heartbeat: say the same with the next one, or what is newer."""
        missed = msgspec.json.decode(told.data, type=Heartbeat) if told.data is not UNSET else Heartbeat()
        if self.share is None:
            self.share = missed.progress
        if self.checkpoint is None and missed.checkpoint is not UNSET:
            self.checkpoint = bytes(missed.checkpoint)
        self.waiting = waiting + self.waiting
        self.beat = self.loop.time()


def outcome_of(working: asyncio.Task[Outcome]) -> Outcome:
    """How the work ended."""
    if working.cancelled():
        return failed("CancelledError", "the handler cancelled itself")
    return working.result()

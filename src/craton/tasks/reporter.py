"""The reports of one worker to one control: heartbeats and ends, in batches, one of them on its way at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import UNSET

from craton.calls.retry import Backoff
from craton.errors import InvalidArguments, SettingsError
from craton.tasks.attempt import Attempt
from craton.tasks.control import Control
from craton.tasks.messages import Report, Verdict

MOST = 500
"""Reports of one batch."""
LARGEST = 8 << 20
"""Bytes of the results in one batch: half of what a controller takes."""
FLUSH = 5.0
"""Seconds that a worker which stops tries to bring its last reports."""
log = logging.getLogger("craton.tasks")


@dataclass(slots=True)
class Said:
    """A report, and what is done with its verdict."""

    attempt: Attempt
    report: Report
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    ends: bool = False


class Reporter:
    """Tells a control how the attempts go. `refused` is called with those whose end was not taken.

    What ended is told again until there is an answer; a heartbeat is made anew.
    """

    def __init__(self, control: Control, refused: Callable[[Attempt], None]) -> None:
        self.control, self.refused = control, refused
        self.attempts: set[Attempt] = set()
        self.ends: list[Said] = []
        self.awake = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.backoff = Backoff(first=0.1, most=2.0)

    def begin(self, attempt: Attempt) -> None:
        """An attempt has begun."""
        self.attempts.add(attempt)
        self.awake.set()

    def end(self, attempt: Attempt, report: Report | None) -> None:
        """An attempt has ended."""
        self.attempts.discard(attempt)
        for recorded in attempt.waiting:
            recorded.cancel()
        if report is not None:
            self.ends.append(Said(attempt, report, ends=True))
            self.idle.clear()
            self.awake.set()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self.until_due()
            batch = [*self.next_ends(), *self.heartbeats()]
            if batch:
                await self.send(batch)

    async def until_due(self) -> None:
        """Wait until there is something to say."""
        while not self.ends:
            self.awake.clear()
            soonest = min((attempt.beat for attempt in self.attempts), default=None)
            if soonest is not None and soonest <= asyncio.get_running_loop().time():
                return
            try:
                async with asyncio.timeout_at(soonest):
                    await self.awake.wait()
            except TimeoutError:
                return

    def next_ends(self) -> list[Said]:
        """The ends that come next, as many as go into one batch."""
        size, count = 0, 0
        for said in self.ends[:MOST]:
            size += len(said.report.data) if said.report.data is not UNSET else 0
            if count and size > LARGEST:
                break
            count += 1
        return self.ends[:count]

    def heartbeats(self) -> list[Said]:
        """The heartbeats that are due."""
        now = asyncio.get_running_loop().time()
        due = [attempt for attempt in self.attempts if attempt.beat <= now][:MOST]
        return [Said(attempt, *attempt.heartbeat()) for attempt in due]

    async def send(self, batch: list[Said]) -> None:
        """Send a batch, and do what the verdicts say; where it does not arrive, wait a little."""
        try:
            verdicts = await self.control.report([said.report for said in batch])
        except SettingsError:
            raise
        except InvalidArguments as error:
            await self.without(batch, error)
            return
        except Exception as error:  # whatever it is: what ended must arrive
            for said in batch:
                if not said.ends:
                    said.attempt.again(said.report, said.waiting)
            log.warning("reports do not arrive: %s", error or type(error).__name__)
            await asyncio.sleep(self.backoff.pause())
            return
        self.backoff.tries = 0
        for said, verdict in zip(batch, verdicts, strict=True):
            self.settle(said, verdict)
        self.forget(batch)

    async def without(self, batch: list[Said], error: InvalidArguments) -> None:
        """Find out which one of a batch spoils it, and say no more of that: its lease will end."""
        if len(batch) > 1:
            for said in batch:
                await self.send([said])
            return
        log.error("%s, attempt %s: %s", batch[0].report.taskid, batch[0].report.taskattempt, error)
        for recorded in batch[0].waiting:
            recorded.cancel()
        self.forget(batch)

    def forget(self, batch: list[Said]) -> None:
        """These need not be sent again."""
        ended = {id(said) for said in batch if said.ends}
        self.ends = [said for said in self.ends if id(said) not in ended]
        if not self.ends:
            self.idle.set()

    def settle(self, said: Said, verdict: Verdict) -> None:
        """What a verdict means for its attempt."""
        for recorded in said.waiting:
            if not recorded.done():
                recorded.set_result(None)
        if verdict == "refused":
            log.warning("%s, attempt %s: not ours any more", said.report.taskid, said.report.taskattempt)
            if said.ends:
                self.refused(said.attempt)
            else:
                said.attempt.stop("refused")
        elif verdict == "cancel" and not said.ends:
            said.attempt.stop("cancelled")

    async def flush(self) -> None:
        """Wait until all that has ended is told, for a few seconds at most."""
        try:
            async with asyncio.timeout(FLUSH):
                await self.idle.wait()
        except TimeoutError:
            log.warning("%s ends of jobs were not told: others will do these again", len(self.ends))

"""The window: one transaction for adjacent steps of a saga that share its database, with the journal's entries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, NoReturn

from craton.calls.endpoint import Endpoint
from craton.contract import Method
from craton.data.effects import Intent
from craton.data.inbox import Answer
from craton.data.store import ALONE, Conflict, Store, Unit, commit
from craton.errors import CallError, OutcomeUnknown, ReplayDiffers
from craton.sagas.arrivals import Arrivals
from craton.sagas.journal import OPEN, Answered, Entry, Journal, PutDown, Record
from craton.sagas.tasks import Tasks

log = logging.getLogger("craton.sagas")
EMPTY: Mapping[str, str] = {}


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


class Window:
    """One saga in this process. What it has not committed yet is lost with it, and then has not happened."""

    def __init__(
        self, record: Record, method: Method, body: Callable[[Any], Any],
        *, journal: Journal, arrivals: Arrivals, endpoint: Callable[[str], Endpoint], clock: Callable[[], datetime],
        trace: str, tasks: Tasks | None = None,
    ) -> None:
        self.record, self.method, self.body, self.trace = record, method, body, trace
        self.journal, self.arrivals, self.endpoint, self.clock = journal, arrivals, endpoint, clock
        self.tasks = tasks
        self.store: Store = journal.store
        self.module = journal.module
        self.unit: Unit | None = None
        self.step = self.ids = self.conflicts = 0
        self.pivoted = False
        self.differs: ReplayDiffers | None = None
        self.given_up: dict[int, Exception] = {}
        self.unwilling: dict[int, float] = {}
        self.intents: dict[int, Intent] = {}
        self.heard: dict[int, Answer] = {}
        """What steps elsewhere have answered since the last commit."""

    @property
    def version(self) -> int:
        """The version of the code that the saga began with."""
        return self.record.version

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
            await self.write_results(await self.window())
            unit = await self.window()
            await self.journal.write(unit, self.record, final)
            self.unit = None
            await commit(unit)
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
        self.intents = {step: intent for step, intent in self.intents.items() if step not in self.heard}
        self.heard.clear()
        self.conflicts = 0

    async def write_results(self, unit: Unit) -> None:
        """The results of effects whose intents this saga has written."""
        for step, answer in self.heard.items():
            if step in self.intents and answer.status != "failed":
                await self.intents[step].finish(unit, answer)

    def note(self, step: int, entry: Entry) -> None:
        """Remember a step, to be written with the next commit."""
        self.record.entries[step] = entry
        self.record.dirty.add(step)

    def close(self, step: int, entry: Entry, answer: Answer) -> None:
        """Note how a step ended."""
        entry.status, entry.answer, entry.type = answer.status, answer.body, answer.type
        self.note(step, entry)

    @asynccontextmanager
    async def part(self, name: str) -> AsyncIterator[Unit]:
        """A part of the open transaction that can be undone."""
        unit = await self.window()
        with away():
            await unit.savepoint(name)
            yield unit
            await unit.release(name)

    async def reload(self) -> None:
        """Forget what was not committed, but for what was answered elsewhere."""
        stored = await self.journal.check(self.record)
        if stored is not None:
            if stored.state not in OPEN:
                raise Answered(self.record.id)
            self.record = stored
            self.intents = {step: intent for step, intent in self.intents.items() if step in self.heard}
            for step, answer in self.heard.items():
                if stored.entries[step].status == "asked":
                    self.close(step, stored.entries[step], answer)
        else:
            self.record.entries, self.record.state, self.record.cause = {}, "running", None
            self.record.due, self.record.awaits, self.record.dirty = None, None, set()
            self.heard.clear()

    async def drop(self, error: BaseException) -> None:
        """Roll back what is open. Where that was lost already, nothing that followed from it counts."""
        unit, self.unit = self.unit, None
        try:
            if unit is not None:
                await unit.rollback()
        except Conflict:
            if not isinstance(error, asyncio.CancelledError):
                raise

    # ------------------------------------------------------------------ leaving it

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

    async def put_down(
        self, due: float | None, *, awaits: str | None = None, latest: Mapping[str, str] = EMPTY
    ) -> NoReturn:
        """Let it wait in the database alone, until it is due, or what it awaits arrives. `latest`: what had arrived at
        a look; Conflict where more has by now."""
        with away():
            for key, found in latest.items():
                await self.arrivals.meet(await self.window(), key, found)
        self.record.state, self.record.due, self.record.awaits = "waiting", due, awaits
        await self.commit(None)
        raise PutDown(self.record.id)


@contextmanager
def away() -> Iterator[None]:
    """Conflict where the database is away: no step failed."""
    try:
        yield
    except CallError as error:
        raise Conflict(str(error)) from error

"""The one connection that writes to an SQLite file: a baton that units pass on, and a batch that commits for all.

The holder of the baton runs inside a savepoint of the open batch. When everything that was ready to run has had its
turn, one helper thread commits the batch, and only then does anyone get an answer, faults included.
"""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from sqlalchemy.exc import IntegrityError, OperationalError

from craton.data.store import Conflict
from craton.data.stores.direct import Plans
from craton.data.stores.sqlite_connection import SQLiteConnection, unavailable
from craton.errors import NotRun, OutcomeUnknown
from craton.failpoints import reach

RETRY = 0.005
"""Seconds between two tries to get a lock that another program holds."""


class Batch:
    """The open transaction, shared by the units that joined it."""

    __slots__ = ("alone", "ended", "error", "size", "waiting", "wrote")

    def __init__(self, *, alone: bool) -> None:
        self.alone, self.size = alone, 0
        self.wrote = self.ended = False
        self.error: Exception | None = None
        self.waiting: list[asyncio.Future[None]] = []

    def end(self, error: Exception | None = None) -> None:
        """It is durable, or it is lost."""
        self.ended, self.error = True, error
        release(self.waiting)

    async def wait(self) -> None:
        """Until it is durable. Each waits on a future of its own, so that a cancelled one cancels no other."""
        if not self.ended:
            self.waiting.append(future := asyncio.get_running_loop().create_future())
            await future
        if self.error is not None:
            raise self.error if self.size == 1 else Conflict(f"the batch was lost: {self.error}", alone=True)


class Holder(Protocol):
    """What the writer needs to know of a unit."""

    alone: bool
    dirty: bool

    def check(self) -> None:
        """Raise where it has ended."""
        ...

    def pause(self) -> None:
        """It lost the baton, and may go on where it was if nothing it has read has changed."""
        ...

    def expire(self) -> None:
        """It is suspended with the baton: its time runs from now on."""
        ...

    def doom(self) -> None:
        """It is to give the baton back at once, and to be run again."""
        ...


def release(waiting: list[asyncio.Future[None]]) -> None:
    """Let them go on, in their order."""
    futures, waiting[:] = waiting[:], []
    for future in futures:
        if not future.done():
            future.set_result(None)


class Writer:
    """The baton and the batch. Every method but `write_out` runs on the event loop."""

    def __init__(self, path: Path, plans: Plans, *, patience: float) -> None:
        self.path, self.patience = path, patience
        self.connection = SQLiteConnection(path, plans)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="craton-commit")
        self.holder: Holder | None = None
        self.batch: Batch | None = None
        self.waiting: list[asyncio.Future[None]] = []
        self.loners: list[Holder] = []
        self.versions: dict[str, int] = {}
        self.lost = 0
        self.committing = self.scheduled = self.closed = False

    async def take(self, unit: Holder) -> None:
        """The baton, and a savepoint in the open batch. NotRun where another program's lock stays."""
        until = 0.0
        if unit.alone:
            self.loners.append(unit)
        try:
            while self.holder is not unit:
                unit.check()
                if self.open_to(unit):
                    if not self.begin(unit, until):
                        until = until or asyncio.get_running_loop().time() + self.patience
                        await asyncio.sleep(RETRY)
                else:
                    self.settle()
                    self.waiting.append(future := asyncio.get_running_loop().create_future())
                    await future
        finally:
            if unit.alone:
                self.loners.remove(unit)
                release(self.waiting)

    def open_to(self, unit: Holder) -> bool:
        """Whether a unit may take the baton now. Its holder, suspended after only reading, has nothing to lose."""
        if self.closed:
            raise NotRun(f"{self.path} has been closed.")
        if self.committing:
            return False
        self.pause()
        if self.holder is not None:
            return False
        if unit.alone:
            return self.batch is None
        return not self.loners and (self.batch is None or not self.batch.alone)

    def begin(self, unit: Holder, until: float) -> bool:
        """Make it the holder; False where another program holds the file's lock, which is an error after `until`."""
        if self.batch is None:
            try:
                self.connection.sql("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or (until and asyncio.get_running_loop().time() > until):
                    raise (unavailable(error, self.path) or error) from error
                return False
            self.batch = Batch(alone=unit.alone)
        self.connection.sql("SAVEPOINT unit")
        self.batch.size += 1
        self.holder = unit
        return True

    def pause(self) -> None:
        """Take the baton from a holder that is suspended and has only read."""
        holder = self.holder
        if holder is not None and not holder.dirty and not holder.alone:
            self.connection.sql("RELEASE unit")
            self.holder = None
            holder.pause()

    def give(self, *, keep: bool) -> None:
        """The holder gives the baton back, and keeps or undoes what it did."""
        if not keep:
            self.connection.sql("ROLLBACK TO unit")
        self.connection.sql("RELEASE unit")
        self.holder = None
        release(self.waiting)
        self.settle()

    def settle(self) -> None:
        """Commit the batch after what is ready to run has had its turn."""
        if not self.scheduled:
            self.scheduled = True
            asyncio.get_running_loop().call_soon(self.commit)

    def commit(self) -> None:
        """Commit the batch, unless its holder is suspended in the midst of writing."""
        self.scheduled = False
        if self.batch is None or self.committing:
            return
        self.pause()
        if self.holder is not None:
            self.holder.expire()
            return
        self.committing = True
        if self.batch.wrote:
            self.thread.submit(self.write_out, asyncio.get_running_loop())
        else:
            self.end(self.try_commit())

    def write_out(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the helper thread: the disk is waited for here."""
        reach("P3")
        error = self.try_commit()
        reach("P4")
        loop.call_soon_threadsafe(self.end, error)

    def try_commit(self) -> sqlite3.Error | None:
        """COMMIT, and the error where it failed."""
        try:
            self.connection.sql("COMMIT")
        except sqlite3.Error as error:
            return error
        return None

    def end(self, error: sqlite3.Error | None) -> None:
        """What became of the batch."""
        self.committing = False
        if error is None:
            batch, self.batch = self.batch, None
            if batch is not None:
                batch.end()
            release(self.waiting)
        else:
            self.lose(self.told(error))

    def told(self, error: sqlite3.Error) -> Exception:
        """How a failed COMMIT is told to a unit that was alone in it."""
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR:
            return OutcomeUnknown(f"{self.path}: the disk failed at COMMIT ({error}): see the system's log.")
        kind = IntegrityError if isinstance(error, sqlite3.IntegrityError) else OperationalError
        return unavailable(error, self.path) or kind("COMMIT", None, error)

    def lose(self, error: Exception) -> None:
        """The whole batch was rolled back: by its COMMIT, or by a statement such as INSERT OR ROLLBACK."""
        if self.connection.raw.in_transaction:
            self.connection.sql("ROLLBACK")
        batch, self.batch, self.holder = self.batch, None, None
        self.lost += 1
        if batch is not None:
            batch.end(error)
        release(self.waiting)

    async def close(self) -> None:
        """Let the batch become durable, and close the file. A holder is left behind, and rolled back."""
        self.closed = True
        if self.holder is not None:
            self.holder.doom()
        while self.batch is not None:
            self.settle()
            await asyncio.sleep(0.001)
        self.thread.shutdown()
        self.connection.close()
        release(self.waiting)

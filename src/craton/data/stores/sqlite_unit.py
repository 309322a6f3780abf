"""One unit on SQLite: a savepoint in the writer's batch, which it may lose and find again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Executable
from sqlalchemy.exc import DBAPIError

from craton.data.statements import short
from craton.data.store import ALONE, Conflict, Parameters, Rows
from craton.data.stores.sqlite_connection import unavailable
from craton.data.stores.sqlite_writer import Batch
from craton.errors import Misuse, QueryWrote

if TYPE_CHECKING:
    from craton.data.stores.sqlite import SQLiteStore

State = Literal["new", "holding", "paused", "lost", "ended"]


class SQLiteUnit:
    """See `Unit`.

    It runs at its first statement. While it is suspended having only read, another may take the baton: then it goes on
    where it was if its modules have not changed, and meets a Conflict otherwise. Suspended after a write it is in
    everyone's way, so it is rolled back after the store's `hold`, and meets a Conflict; a saga's window, and the third
    attempt, which runs alone, only after its `limit`.
    """

    def __init__(self, store: SQLiteStore, module: str, *, wide: bool, attempt: int) -> None:
        self.store, self.writer = store, store.writer
        self.module, self.wide, self.attempt = module, wide, attempt
        self.alone = attempt >= ALONE
        self.writable, self.wrote, self.dirty = True, False, False
        self.state: State = "new"
        self.failed: Exception | None = None
        self.after: set[Callable[[], None]] = set()
        self.savepoints: list[str] = []
        self.first = 0
        self.seen: dict[str, int] = {}
        self.losses = 0
        self.batch: Batch | None = None
        self.timer: asyncio.TimerHandle | None = None

    async def execute(self, module: str, statement: Executable, parameters: Parameters = None) -> Rows:
        """Run one statement, at once when the baton is held."""
        if self.state != "holding" or self.failed is not None:
            await self.ready()
        if module not in self.seen:
            self.seen[module] = self.writer.versions.get(module, 0)
        try:
            return self.writer.connection.run(partial(self.admit, module), statement, parameters)
        except Exception as error:
            self.failed = self.broken(error)
            if self.failed is error:
                raise
            raise self.failed from error

    later = execute  # here a statement costs no way to a server

    def admit(self, module: str, sql: str) -> None:
        """Look at a statement before it runs."""
        if not self.store.inspector.writes(module, sql):
            return
        if module != self.module or not self.writable:
            raise QueryWrote(module, short(sql))
        self.wrote = True
        self.writer.versions[module] = self.writer.versions.get(module, 0) + 1
        if not self.dirty:
            self.dirty = True
            if self.batch is not None:
                self.batch.wrote = True
            self.writer.settle()

    def broken(self, error: Exception) -> Exception:
        """What a failed statement means for the unit, and for the batch where it took that with it."""
        original = error.orig if isinstance(error, DBAPIError) else None
        told = unavailable(original, self.writer.path) or error
        if not self.writer.connection.raw.in_transaction:
            shared = self.batch is not None and self.batch.size > 1
            self.state = "lost" if shared else "ended"
            self.writer.lose(told)
            if shared:
                raise Conflict(f"the batch was lost: {told}", alone=True) from error
        return told

    def expire(self) -> None:
        """Suspended with the baton: do not stand in everyone's way for long."""
        if self.timer is None:
            seconds = self.store.limit if self.wide or self.alone else self.store.hold
            self.timer = asyncio.get_running_loop().call_later(seconds, self.doom)

    def doom(self) -> None:
        """Suspended for too long: undone, and to be run again."""
        if self.writer.holder is self:
            self.state = "lost"
            self.writer.give(keep=False)

    async def ready(self) -> None:
        """Hold the baton, with what was read before still true."""
        self.check()
        if self.state != "holding":
            await self.writer.take(self)
            self.resume()
        if self.failed is not None:
            raise self.failed

    def check(self) -> None:
        """Conflict where it has been lost."""
        if self.failed is not None and self.state == "ended":
            raise self.failed
        if self.state == "lost":
            raise Conflict(f"{self.module} was suspended in a transaction for too long")
        if self.state == "ended":
            raise Misuse(f"{self.module} used the database in a transaction that has ended: await all that it starts.")

    def resume(self) -> None:
        """The baton was taken: begin, or go on where it was taken away. (Another task of the unit may have done it.)"""
        if self.state == "holding":
            return
        if self.state == "paused" and not self.current():
            self.state = "lost"
            self.writer.give(keep=True)
            raise Conflict(f"{self.module} has changed since it was read")
        self.state, self.batch, self.losses = "holding", self.writer.batch, self.writer.lost
        for name in self.savepoints[self.first:]:
            self.writer.connection.sql(f'SAVEPOINT "{name}"')
        if self.alone:
            self.writer.settle()

    def current(self) -> bool:
        """Whether all that it has read is still so."""
        versions = self.writer.versions
        return self.losses == self.writer.lost and all(versions.get(m, 0) == v for m, v in self.seen.items())

    def pause(self) -> None:
        """The writer takes the baton away."""
        self.state = "paused"

    async def savepoint(self, name: str) -> None:
        """Begin a part that can be undone. (`first`: so many came before all statements: the unit has one there.)"""
        if self.state == "new":
            self.first += 1
        else:
            await self.ready()
            self.writer.connection.sql(f'SAVEPOINT "{name}"')
        self.savepoints.append(name)

    async def rollback_to(self, name: str) -> None:
        """Undo what came after the savepoint, a failed statement included."""
        if self.state != "ended":
            self.failed = None
        place = self.last(name)
        if self.state != "new":
            await self.ready()
            self.writer.connection.sql(f'ROLLBACK TO "{name if place >= self.first else "unit"}"')
        del self.savepoints[place + 1:]
        self.first = min(self.first, place + 1)

    async def release(self, name: str) -> None:
        """Forget the savepoint."""
        place = self.last(name)
        if self.state != "new":
            await self.ready()
            for inner in self.savepoints[max(place, self.first):][:1]:
                self.writer.connection.sql(f'RELEASE "{inner}"')
        del self.savepoints[place:]
        self.first = min(self.first, place)

    def last(self, name: str) -> int:
        """Where in the list the latest savepoint of this name stands."""
        return len(self.savepoints) - 1 - self.savepoints[::-1].index(name)

    async def commit(self) -> None:
        """Give the baton on, and wait until the batch is durable."""
        if self.failed is not None:
            await self.rollback()
            raise self.failed
        await self.finish(keep=True)

    async def rollback(self) -> None:
        """Undo all, and wait until what it has read is durable."""
        await self.finish(keep=False)

    async def finish(self, *, keep: bool) -> None:
        """End it."""
        if self.state == "ended":
            return
        state, self.state = self.state, "ended"
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None  # it knows the unit: nothing is left for the garbage collector to find
        if state == "lost":
            raise Conflict(f"{self.module} was suspended in a transaction for too long, or its batch was lost")
        if state == "holding":
            self.writer.give(keep=keep)
        if self.batch is not None:
            await self.batch.wait()

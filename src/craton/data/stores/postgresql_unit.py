"""One unit on PostgreSQL: a SERIALIZABLE transaction on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import asyncpg
from sqlalchemy import Executable
from sqlalchemy.exc import IntegrityError

from craton.data.statements import check_verb, modifies, short
from craton.data.store import ALONE, Conflict, Parameters, Rows
from craton.data.stores.postgresql_connection import AWAY, PostgreSQLConnection, quoted, state_of
from craton.errors import Misuse, OutcomeUnknown, QueryWrote
from craton.failpoints import reach, reach_soon

if TYPE_CHECKING:
    from craton.data.stores.postgresql import PostgreSQLStore

R = TypeVar("R")
State = Literal["new", "open", "lost", "ended"]
PATIENCE = 100
"""Milliseconds to wait for a row that another transaction has changed: it is a conflict anyway once that commits, and
PostgreSQL looks for deadlocks only after a second. The attempt that runs alone waits for as long as it takes."""
READING = "craton_reading"
"""The savepoint in which a saga's queries run read-only. (A first SELECT fixes that the transaction as a whole is not:
PostgreSQL asks for that at the first snapshot.)"""


class PostgreSQLUnit:
    """See `Unit`. Tasks of one unit take turns, since a connection runs one statement at a time."""

    def __init__(self, store: PostgreSQLStore, module: str, *, wide: bool, attempt: int) -> None:
        self.store = store
        self.module, self.wide = module, wide
        self.alone = attempt >= ALONE
        self.writable, self.wrote = True, False
        self.state: State = "new"
        self.failed: BaseException | None = None
        self.after: set[Callable[[], None]] = set()
        self.connection: PostgreSQLConnection | None = None
        self.reading = False
        self.turn = asyncio.Lock()

    async def execute(self, module: str, statement: Executable, parameters: Parameters = None) -> Rows:
        """Run one statement, as the module's role."""
        async with self.turn:
            connection = await self.ready(module)
            try:
                await self.enter(module, reading=module != self.module or not self.writable)
                return await connection.run(lambda sql: self.admit(module, sql), statement, parameters)
            except Exception as error:
                told = self.store.meaning(error, connection, module)
                self.failed = told
                if isinstance(told, Conflict):
                    self.state = "lost"
                if told is error:
                    raise
                raise told from error

    def admit(self, module: str, sql: str) -> None:
        """Look at a statement before it is sent."""
        check_verb(module, sql)
        if modifies(sql):
            if module != self.module or not self.writable:
                raise QueryWrote(module, short(sql))
            self.wrote = True

    async def ready(self, module: str) -> PostgreSQLConnection:
        """The connection, with the transaction begun."""
        if self.state == "ended":
            raise Misuse(f"{self.module} used the database in a transaction that has ended: await all that it starts.")
        if self.failed is not None:
            raise self.failed
        if self.connection is None:
            await self.store.gate.enter(alone=self.alone)
            try:
                self.connection = await self.begin(module)
            except BaseException:
                self.store.gate.leave()
                raise
            self.state = "open"
        return self.connection

    async def begin(self, module: str) -> PostgreSQLConnection:
        """A connection that takes the transaction. One that ended while it was idle is only found out now."""
        while True:
            connection = await self.store.writers.acquire(module)
            try:
                patience = 0 if self.alone else PATIENCE
                await connection.sql(
                    f"BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL lock_timeout = {patience}; "
                    f"{self.store.become(module, local=True)}"
                )
                connection.module = module
                return connection
            except BaseException as error:
                told = self.store.meaning(error, connection, module)
                connection.driver.terminate()
                await self.store.writers.release(connection)
                if told is error:
                    raise
                if not isinstance(error, AWAY):
                    raise told from error

    async def enter(self, module: str, *, reading: bool) -> None:
        """Be the module's role, and be read-only where nothing may be written."""
        assert self.connection is not None
        steps = []
        if self.reading and not reading:
            steps.append(f"RELEASE SAVEPOINT {READING}")
        elif reading and not self.reading:
            steps.append(f"SELECT 1; SAVEPOINT {READING}; SET LOCAL transaction_read_only = on")
        if self.connection.module != module:
            steps.append(self.store.become(module, local=True))
        if steps:
            await self.connection.sql("; ".join(steps))
        self.reading, self.connection.module = reading, module

    async def savepoint(self, name: str) -> None:
        """Begin a part that can be undone."""
        await self.control(f"SAVEPOINT {quoted(name)}")

    async def release(self, name: str) -> None:
        """Forget the savepoint."""
        await self.control(f"RELEASE SAVEPOINT {quoted(name)}")

    async def rollback_to(self, name: str) -> None:
        """Undo what came after the savepoint, a failed statement included."""
        async with self.turn:
            if self.state == "open":
                self.failed = None
            connection = await self.ready(self.module)
            self.reading = False
            await self.tell(f"ROLLBACK TO SAVEPOINT {quoted(name)}")
            connection.module = None  # the role went back, too

    async def control(self, text: str) -> None:
        """Run a statement of the framework's, outside the read-only part."""
        async with self.turn:
            await self.ready(self.module)
            try:
                await self.enter(self.module, reading=False)
            except Exception as error:
                raise self.lost(error) from error
            await self.tell(text)

    async def tell(self, text: str) -> None:
        """Run a statement of the framework's."""
        assert self.connection is not None
        try:
            await self.connection.sql(text)
        except Exception as error:
            raise self.lost(error) from error

    def lost(self, error: Exception) -> BaseException:
        """What an error of such a statement means."""
        assert self.connection is not None
        self.failed = self.store.meaning(error, self.connection, self.module)
        if isinstance(self.failed, Conflict):
            self.state = "lost"
        return self.failed

    async def commit(self) -> None:
        """COMMIT, whether or not the caller still waits."""
        if self.state == "open" and self.failed is None:
            self.state = "ended"
            await completed(self.finish("COMMIT"))
        else:
            failed = self.failed
            await self.rollback()
            if failed is not None:
                raise failed

    async def rollback(self) -> None:
        """ROLLBACK, whether or not the caller still waits."""
        state, self.state = self.state, "ended"
        if state in ("open", "lost"):
            await completed(self.finish("ROLLBACK"))
        if state == "lost":
            raise Conflict(str(self.failed))

    async def finish(self, command: str) -> None:
        """End the transaction, and give the connection back."""
        async with self.turn:
            connection = self.connection
            assert connection is not None
            sent = not connection.broken
            try:
                if command == "COMMIT":
                    reach("P3")
                    reach_soon("P4")
                tag = await connection.sql(command)
                if tag != command:
                    raise Conflict(f"PostgreSQL answered {tag}")
            except Exception as error:
                if command == "ROLLBACK" or isinstance(error, AWAY):
                    connection.driver.terminate()
                if command == "COMMIT":
                    self.failed = self.unfinished(error, sent=sent)
                    raise self.failed from error
            finally:
                connection.module = None
                await self.store.writers.release(connection)
                self.store.gate.leave(lost=isinstance(self.failed, Conflict))

    def unfinished(self, error: Exception, *, sent: bool) -> BaseException:
        """What a failed COMMIT means."""
        if not sent:
            return Conflict(f"the connection to PostgreSQL was lost before COMMIT: {error}")
        if isinstance(error, AWAY):
            return OutcomeUnknown(f"the connection to PostgreSQL was lost at COMMIT ({error}): ask again.")
        if isinstance(error, asyncpg.IntegrityConstraintViolationError):
            return IntegrityError("COMMIT", None, error)
        return Conflict(str(error)) if state_of(error).startswith("40") else error


async def completed(work: Coroutine[Any, Any, R]) -> R:
    """Await work that goes on to its end even if the caller is cancelled; then nobody hears what became of it."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        raise

"""One unit on PostgreSQL: a SERIALIZABLE transaction on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import asyncpg
from sqlalchemy import Executable
from sqlalchemy.exc import IntegrityError

from craton.calls.context import CONTEXT
from craton.data.statements import check_verb, harmless, modifies, short
from craton.data.store import ALONE, Conflict, Parameters, Rows
from craton.data.stores.direct import Run
from craton.data.stores.postgresql_connection import AWAY, BEGIN, Item, PostgreSQLConnection, quoted, state_of
from craton.data.stores.postgresql_wire import writable
from craton.errors import CratonError, Misuse, NotRun, OutcomeUnknown, QueryWrote
from craton.failpoints import reach, reach_soon

if TYPE_CHECKING:
    from craton.data.stores.postgresql import PostgreSQLStore

R = TypeVar("R")
State = Literal["new", "open", "lost", "ended"]
READING = "craton_reading"
"""The savepoint in which a saga's queries run read-only. (A first SELECT fixes that the transaction as a whole is not:
PostgreSQL asks for that at the first snapshot.)"""
SNAPSHOT = "SELECT 1 WHERE false"  # without a row, since what goes before a statement must not answer with any


class PostgreSQLUnit:
    """See `Unit`. Tasks of one unit take turns, since a connection runs one statement at a time.

    Statements of the framework's own wait for the next one of the application, and go to the server with it: each way
    there costs as much as the work. A savepoint is set before something is written, and not at all where nothing is. So
    after a failed read there may be none to go back to; then the unit is run again, and sets them all at once.
    """

    def __init__(self, store: PostgreSQLStore, module: str, *, wide: bool, attempt: int) -> None:
        self.store = store
        self.module, self.wide, self.attempt = module, wide, attempt
        self.alone = attempt >= ALONE
        self.writable, self.wrote = True, False
        self.state: State = "new"
        self.failed: BaseException | None = None
        self.after: set[Callable[[], None]] = set()
        self.connection: PostgreSQLConnection | None = None
        self.before: str | None = None
        self.savepoints: list[str] = []
        self.sent = 0
        self.waiting: list[Item] = []
        self.reading = self.aborted = False
        self.turn = asyncio.Lock()

    async def execute(self, module: str, statement: Executable, parameters: Parameters = None) -> Rows:
        """Run one statement, as the module's role."""
        async with self.turn:
            self.check()
            run = self.store.plans.find(statement, parameters)
            if run is not None:
                self.admit(module, run.sql)
            writes = run is None or not harmless(run.sql) or self.attempt > 0
            connection, items = await self.ready(module, run, writes=writes)
            try:
                if run is not None:
                    return await connection.run_directly(run, items)
                return await connection.run_whole(lambda sql: self.admit(module, sql), statement, parameters)
            except BaseException as error:
                self.fail(error, connection, module, items)

    async def later(self, module: str, statement: Executable, parameters: Parameters) -> None:
        """Run one statement with the next one, or with COMMIT, which then tells of its errors."""
        run = self.store.plans.find(statement, parameters)
        if run is None or run.bound.plan.description or self.attempt > 0 or not writable(run.given):
            await self.execute(module, statement, parameters)
            return
        async with self.turn:
            self.check()
            self.admit(module, run.sql)
            connection, items = await self.ready(module, run, writes=True)
            try:
                self.waiting += [*items, await connection.message(run)]
            except BaseException as error:
                self.fail(error, connection, module, items)

    def admit(self, module: str, sql: str) -> None:
        """Look at a statement before it is sent."""
        try:
            check_verb(module, sql)
            if modifies(sql):
                if module != self.module or not self.writable:
                    raise QueryWrote(module, short(sql))
                self.wrote = True
        except CratonError as error:
            self.failed = error
            raise

    def fail(
        self, error: BaseException, connection: PostgreSQLConnection, module: str, items: Sequence[Item]
    ) -> NoReturn:
        """Refuse what comes after an error, as the server does, and tell what it means. `items` went with it."""
        self.aborted = True
        if not isinstance(error, Exception):
            self.failed = NotRun(f"{module}: a statement was cancelled in the midst, which undoes its transaction.")
            self.sent = 0 if items else self.sent  # nobody knows which savepoints there are
            raise error
        self.failed = self.store.meaning(error, connection, module)
        if any(isinstance(item, bytes) for item in items) and not isinstance(self.failed, Conflict):
            self.failed = Conflict(f"it, or a row that was written with it, failed: {error}")  # run again, one by one
        if isinstance(self.failed, Conflict):
            self.state = "lost"
        if self.failed is error:
            raise error
        raise self.failed from error

    def check(self) -> None:
        """Raise where it takes no statements."""
        if self.state == "ended":
            raise Misuse(f"{self.module} used the database in a transaction that has ended: await all that it starts.")
        if self.failed is not None:
            raise self.failed

    async def ready(
        self, module: str, run: Run | None, *, writes: bool
    ) -> tuple[PostgreSQLConnection, Sequence[Item]]:
        """The connection, in a transaction, in the module's role; and what is to be sent before the statement."""
        if self.connection is None:
            await self.store.gate.enter(alone=self.alone, background=self.in_background())
            try:
                self.connection = await self.begin(module)
            except BaseException:
                self.store.gate.leave()
                raise
            self.state = "open"
        connection = self.connection
        items = self.steps(connection, module, writes=writes)
        if items and not (run is not None and self.attempt == 0 and connection.has(run.sql)):
            try:
                await connection.send(items)
            except BaseException as error:
                self.fail(error, connection, module, items)
            items = []
        connection.module = module
        return connection, items

    def in_background(self) -> bool:
        """Whether nobody waits for it, as far as is known: a saga, and its effects, have no deadline of their own."""
        now = CONTEXT.get()
        return now.deadline is None and now.kind != "effect" and not self.wide

    async def begin(self, module: str) -> PostgreSQLConnection:
        """A connection that takes the transaction. One that ended while it was idle is only found out now."""
        while True:
            connection = await self.store.writers.acquire(module)
            self.before = connection.module
            if connection.fresh and self.attempt == 0:
                self.waiting.append(BEGIN)
                return connection
            try:
                await connection.sql(f"{BEGIN}; SET LOCAL lock_timeout = 0" if self.alone else BEGIN)
                return connection
            except BaseException as error:
                told = self.store.meaning(error, connection, module)
                connection.driver.terminate()
                await self.store.writers.release(connection)
                if told is error:
                    raise
                if not isinstance(error, AWAY):
                    raise told from error

    def steps(self, connection: PostgreSQLConnection, module: str, *, writes: bool) -> Sequence[Item]:
        """What must be sent before the next statement: what waits, the module's role, savepoints, the read-only part
        where nothing may be written."""
        found, self.waiting = self.waiting, []
        reading = module != self.module or not self.writable
        if self.reading and not reading:
            found.append(f"RELEASE SAVEPOINT {READING}")
        if connection.module != module:
            found += self.store.become(module)
        if writes or reading:
            found += [f"SAVEPOINT {quoted(name)}" for name in self.savepoints[self.sent:]]
            self.sent = len(self.savepoints)
        if reading and not self.reading:
            found += [SNAPSHOT, f"SAVEPOINT {READING}", "SET LOCAL transaction_read_only = on"]
        self.reading = reading
        return found

    async def savepoint(self, name: str) -> None:
        """Begin a part that can be undone."""
        async with self.turn:
            self.leave_reading()
            self.savepoints.append(name)

    async def release(self, name: str) -> None:
        """Forget the savepoint."""
        async with self.turn:
            self.leave_reading()
            self.forget(name)

    def leave_reading(self) -> None:
        """End the read-only part, before a savepoint comes or goes."""
        self.check()
        if self.reading:
            self.waiting.append(f"RELEASE SAVEPOINT {READING}")
            self.reading = False

    def forget(self, name: str) -> None:
        """Release the latest savepoint of this name, with the next statement, if it has been sent at all."""
        place = self.last(name)
        if place < self.sent:
            self.waiting.append(f"RELEASE SAVEPOINT {quoted(name)}")
        del self.savepoints[place:]
        self.sent = min(self.sent, place)

    def last(self, name: str) -> int:
        """Where in the list the latest savepoint of this name stands."""
        return len(self.savepoints) - 1 - self.savepoints[::-1].index(name)

    async def rollback_to(self, name: str) -> None:
        """Undo what came after the savepoint, a failed statement included."""
        async with self.turn:
            if self.state != "lost":
                self.failed = None
            self.check()
            place = self.last(name)
            if place < self.sent:
                await self.go_back(name)
            elif self.aborted:
                self.failed, self.state = Conflict("a statement failed before there was a savepoint"), "lost"
                raise self.failed
            del self.savepoints[place + 1:]
            self.sent = min(self.sent, place + 1)

    async def go_back(self, name: str) -> None:
        """Roll back to a savepoint that the server has."""
        assert self.connection is not None
        items, self.waiting, self.reading = [*self.waiting, f"ROLLBACK TO SAVEPOINT {quoted(name)}"], [], False
        try:
            await self.connection.send(items)
        except BaseException as error:
            self.fail(error, self.connection, self.module, items)
        self.connection.module, self.aborted = None, False  # the role went back, too

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
                tag = await (connection.commit(self.waiting) if command == "COMMIT" else connection.sql(command))
                if tag != command:
                    connection.module, self.failed = None, Conflict(f"PostgreSQL answered {tag}")
                    raise self.failed
                connection.module = connection.module if command == "COMMIT" else self.before
            except Exception as error:
                connection.module = None
                if command == "ROLLBACK" or isinstance(error, AWAY):
                    connection.driver.terminate()
                if command == "COMMIT":
                    self.failed = self.unfinished(error, connection, sent=sent)
                    await self.leave_broken(connection)
                    raise self.failed from error
            finally:
                await self.store.writers.release(connection)
                self.store.gate.leave(lost=isinstance(self.failed, Conflict))

    async def leave_broken(self, connection: PostgreSQLConnection) -> None:
        """End a transaction that did not come to its COMMIT, since what was sent before has failed."""
        try:
            if not connection.broken and connection.driver.is_in_transaction():
                await connection.sql("ROLLBACK")
        except Exception:
            connection.driver.terminate()

    def unfinished(self, error: Exception, connection: PostgreSQLConnection, *, sent: bool) -> BaseException:
        """What a failed COMMIT means."""
        if not sent:
            return Conflict(f"the connection to PostgreSQL was lost before COMMIT: {error}")
        if isinstance(error, AWAY):
            return OutcomeUnknown(f"the connection to PostgreSQL was lost at COMMIT ({error}): ask again.")
        told = self.store.meaning(error, connection, self.module)
        if told is error and isinstance(error, asyncpg.IntegrityConstraintViolationError):
            return IntegrityError("COMMIT", None, error)
        return Conflict(str(error)) if state_of(error).startswith("40") else told


async def completed(work: Coroutine[Any, Any, R]) -> R:
    """Await work that goes on to its end even if the caller is cancelled; then nobody hears what became of it."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        raise

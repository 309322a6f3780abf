"""Connections to PostgreSQL: SQLAlchemy's statements and the framework's own bare ones, and what their errors mean."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

import asyncpg
from sqlalchemy import Executable, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from craton.calls.ahead import Ahead
from craton.data.statements import owner_of
from craton.data.store import Conflict, Parameters, Rows
from craton.data.stores.direct import Plans, Run
from craton.data.stores.postgresql_wire import plain, with_values
from craton.errors import ForeignTable, NotRun, QueryWrote, SettingsError

Guard = Callable[[str], None]
"""Sees each statement's text before it is sent, and raises where it may not be."""

AWAY = (
    OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
"""What a connection raises that has ended, or that could not be made. (InternalClientError: the server has ended it
while this process was stopped, and its last words are still unread.)"""
CONFLICTS = {"40001", "40P01", "55P03", "26000"}
"""Serialization failure, deadlock, a lock that was not given in time, a prepared statement that has gone."""
READ_ONLY, DENIED, NO_TABLE, NO_DATABASE = "25006", "42501", "42P01", "3D000"
FULL = {"53100": "its disk is full", "53200": "it is out of memory", "53300": "it has too many connections"}
RELATION = re.compile(r'"?([\w.]+)"?')
Item = str | bytes
"""What waits to be sent: a statement without values, or one with them as it is written to the server."""
BEGIN = "BEGIN"
NOTHING = "SELECT 1"
"""What is asked to hear the answers to what went before it. Prepared, since after an error the server passes over all
that comes, a bare statement included, up to the Sync that a prepared one ends with."""
FRESH = 1.0
"""Seconds."""
PREPARED = 500
"""Statements that the server keeps for one connection."""
MOMENT = 2.0
"""Seconds that connections in use are given when all are closed."""
LONGEST = 63
"""Characters of a name in PostgreSQL; it cuts longer ones off."""


def role_of(url: URL, module: str) -> str:
    """The role that owns a module's schema and tables, and that its statements run as."""
    role = f"{url.database}_{module}"
    if len(role.encode()) > LONGEST:
        raise SettingsError(f"the role {role} is too long for PostgreSQL: shorten the database's or the module's name.")
    return role


def quoted(name: str) -> str:
    """An identifier, as it stands in SQL."""
    return '"' + name.replace('"', '""') + '"'


def engine_of(url: URL, **settings: str) -> AsyncEngine:
    """SQLAlchemy's side; transactions and the pool are ours."""
    engine = create_async_engine(
        url.set(drivername="postgresql+asyncpg"), poolclass=NullPool, isolation_level="AUTOCOMMIT",
        connect_args={"timeout": 10, "server_settings": {"application_name": "craton", **settings}},
    )
    event.listen(engine.sync_engine, "before_cursor_execute", guard)
    return engine


def guard(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
    """Show a statement to the guard of its connection."""
    connection.info.get("guard", lambda sql: None)(statement)


class Fetched:
    """What asyncpg has fetched, as SQLAlchemy takes it from a cursor."""

    __slots__ = ("description", "rowcount", "rows")

    def __init__(self, run: Run, rows: list[Any], tag: str) -> None:
        self.description, self.rows = run.bound.plan.description, iter(rows)
        count = tag.rpartition(" ")[2]
        self.rowcount = int(count) if count.isdigit() else -1

    def fetchone(self) -> Any:
        """The next row."""
        return next(self.rows, None)

    def fetchmany(self, size: int = 1) -> list[Any]:
        """The next rows."""
        return list(islice(self.rows, size))

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        return list(self.rows)

    def close(self) -> None:
        """Nothing: it holds nothing of the connection's."""


class PostgreSQLConnection:
    """One connection. `module` is whose role and schema it uses now."""

    def __init__(self, alchemy: AsyncConnection, raw: Any, plans: Plans) -> None:
        self.alchemy, self.adapted, self.driver = alchemy, raw.dbapi_connection, raw.driver_connection
        self.module: str | None = None
        self.plans, self.epoch = plans, plans.epoch
        self.prepared: dict[str, Any] = {}
        self.names = Names(plans)
        self.used = -math.inf

    @classmethod
    async def open(cls, engine: AsyncEngine, plans: Plans) -> PostgreSQLConnection:
        """A new connection. NotRun where the server does not take it."""
        try:
            alchemy = await engine.connect()
        except (DBAPIError, asyncpg.PostgresError, *AWAY) as error:
            raise refused(engine.url, error) from error
        return cls(alchemy, await alchemy.get_raw_connection(), plans)

    @property
    def fresh(self) -> bool:
        """Whether it has worked just now, so that it will hardly have ended meanwhile."""
        return time.monotonic() - self.used < FRESH

    @property
    def broken(self) -> bool:
        """Whether it has ended."""
        return self.alchemy.invalidated or self.alchemy.closed or bool(self.driver.is_closed())

    async def sql(self, text: str) -> str:
        """Run the framework's own statements, without parameters. asyncpg's errors. The last one's tag."""
        return str(await self.driver.execute(text))

    async def run(
        self, admit: Guard, statement: Executable, parameters: Parameters, before: Sequence[Item] = ()
    ) -> Rows:
        """Run one statement of an application, and `before` it what has to be: on the same way, where it is known."""
        run = self.plans.find(statement, parameters)
        if run is not None:
            admit(run.sql)
        if before and (run is None or not self.has(run.sql)):
            await self.send(before)
            before = ()
        if run is None:
            return await self.run_whole(admit, statement, parameters)
        return await self.run_directly(run, before)

    async def run_whole(self, admit: Guard, statement: Executable, parameters: Parameters) -> Rows:
        """Run it by SQLAlchemy, and keep what it makes of it for the next time."""
        self.alchemy.sync_connection.info["guard"] = admit  # type: ignore[union-attr]  # it is open
        result = await self.alchemy.execute(statement, parameters)
        self.plans.learn(statement, parameters, result)
        return result

    async def run_directly(self, run: Run, before: Sequence[Item] = ()) -> Rows:
        """Run a statement that SQLAlchemy has compiled before, and `before` it, on the same way, what has waited."""
        nothing = None
        try:
            prepared = await self.statement(run.sql)
            nothing = await self.statement(NOTHING) if before else None
            rows = await Behind(self, before, prepared, run.given)
        except Exception as error:
            if nothing is not None and getattr(error, "severity", None) is None and not self.broken:
                await nothing.fetch()  # a value could not be sent: let the server answer what was
            raise self.told(run, error) from error
        return run.result(Fetched(run, rows, prepared.get_statusmsg()), self.alchemy.sync_connection)

    def write(self, items: Sequence[Item]) -> None:
        """Write what is answered with the next statement."""
        if items:
            self.driver._transport.write(b"".join(plain(i) if isinstance(i, str) else i for i in items))

    async def send(self, items: Sequence[Item]) -> None:
        """Send what has waited, with nothing behind it."""
        texts = [item for item in items if isinstance(item, str)]
        if len(texts) == len(items):
            await self.sql("; ".join(texts))
        else:
            await Behind(self, items, await self.statement(NOTHING))

    async def commit(self, items: Sequence[Item]) -> str:
        """Send what has waited, and COMMIT. The tag: ROLLBACK where the transaction was broken before."""
        if all(isinstance(item, str) for item in items):  # savepoints to be released: COMMIT does that
            return "COMMIT" if BEGIN in items else await self.sql("COMMIT")
        prepared = await self.statement("COMMIT")
        await Behind(self, items, prepared)
        return str(prepared.get_statusmsg())

    def has(self, sql: str) -> bool:
        """Whether the server knows a statement on this connection."""
        return self.epoch == self.plans.epoch and sql in self.prepared

    async def statement(self, sql: str) -> Any:
        """A statement that the server knows, kept for the next time."""
        if self.has(sql):
            return self.prepared[sql]
        if self.epoch != self.plans.epoch or len(self.prepared) >= PREPARED:
            self.prepared = {text: known for text, known in self.prepared.items() if text == "COMMIT"}
            await self.driver.reload_schema_state()
            self.epoch = self.plans.epoch
        prepared = await self.driver.prepare(sql, name="COMMIT" if sql == "COMMIT" else None)
        if self.driver.is_in_transaction():  # asyncpg prepares without Sync: until one comes, it does not count as idle
            await self.sql("SHOW role")
        self.prepared[sql] = prepared
        return prepared

    async def message(self, run: Run) -> bytes:
        """A statement as it is written to the server."""
        return with_values((await self.statement(run.sql)).get_name(), run.given)

    def told(self, run: Run, error: Exception) -> Exception:
        """What SQLAlchemy would make of an error of asyncpg's."""
        if isinstance(error, asyncpg.InvalidCachedStatementError | asyncpg.InternalServerError):
            self.plans.forget()
            self.alchemy.dialect._invalidate_schema_cache()  # type: ignore[attr-defined]  # asyncpg's has it
        try:
            self.adapted._handle_exception(error)
        except self.adapted.dbapi.Error as adapted:
            return run.error(adapted, self.alchemy.dialect)
        except Exception as other:
            return other
        return error

    async def close(self) -> None:
        """End it, whatever state it is in."""
        self.driver.terminate()
        await self.alchemy.invalidate()
        await self.alchemy.close()


class Behind:
    """Await it: a statement's rows, sent behind what has waited with nothing between the two. PostgreSQL ends a
    transaction that is idle; while it waits for the rest of what it was sent, it does not.
    """

    def __init__(
        self, connection: PostgreSQLConnection, items: Sequence[Item], prepared: Any, values: Sequence[Any] = ()
    ) -> None:
        self.connection, self.items, self.prepared, self.values = connection, items, prepared, values

    def __await__(self) -> Generator[Any, Any, Any]:
        self.connection.write(self.items)
        return (yield from self.prepared.fetch(*self.values).__await__())


class Names:
    """The statements that are read together with others, by the names under which the server knows them."""

    def __init__(self, plans: Plans) -> None:
        self.plans, self.epoch, self.count = plans, plans.epoch, 0
        self.known: dict[str, str] = {}

    def of(self, sql: str) -> tuple[str, bool]:
        """The name of a statement, and whether it is new."""
        if (name := self.known.get(sql)) is not None:
            return name, False
        self.count += 1
        self.known[sql] = name = f"craton_{self.count}"
        return name, True

    def outdated(self) -> list[str]:
        """Names that the server should forget: the tables have changed, or there are too many."""
        if self.epoch == self.plans.epoch and len(self.known) < PREPARED:
            return []
        self.epoch = self.plans.epoch
        return self.forget()

    def forget(self) -> list[str]:
        """All of them."""
        found = list(self.known.values())
        self.known.clear()
        return found


class Connections:
    """At most `size` connections, opened when they are needed and kept while they work."""

    def __init__(self, engine: AsyncEngine, size: int, plans: Plans) -> None:
        self.engine, self.plans = engine, plans
        self.size, self.slots, self.closed = size, asyncio.Semaphore(size), False
        self.idle: list[PostgreSQLConnection] = []
        self.late = set[asyncio.Task[None]]()

    async def acquire(self, module: str) -> PostgreSQLConnection:
        """One that works, as far as is known here; one that the module used last, if there is one."""
        await self.slots.acquire()
        try:
            self.idle.sort(key=lambda connection: connection.module == module)
            while self.idle:
                connection = self.idle.pop()
                if not connection.broken:
                    return connection
                await connection.close()
            return await PostgreSQLConnection.open(self.engine, self.plans)
        except BaseException:
            self.slots.release()
            raise

    def free(self) -> PostgreSQLConnection | None:
        """One that works, where there is one that nobody uses."""
        if not self.idle or self.idle[-1].broken or self.slots.locked():
            return None
        taken = Ahead(self.slots.acquire())
        assert taken.done
        return self.idle.pop()

    def give_back(self, connection: PostgreSQLConnection) -> None:
        """The same as `release`, at once: a broken one is sorted out when it is to be used again."""
        if self.closed:  # nobody sees to those that are idle any more
            task = asyncio.get_running_loop().create_task(self.release(connection))
            self.late.add(task)
            task.add_done_callback(self.late.discard)
            return
        connection.used = time.monotonic()
        self.idle.append(connection)
        self.slots.release()

    async def release(self, connection: PostgreSQLConnection) -> None:
        """Give it back; a broken one is not kept."""
        try:
            if connection.broken or self.closed:
                await connection.close()
            else:
                connection.used = time.monotonic()
                self.idle.append(connection)
        finally:
            self.slots.release()

    async def close(self) -> None:
        """End them. Those in use are given a moment: a COMMIT goes on when its caller does not."""
        self.closed, held = True, 0
        with suppress(TimeoutError):
            async with asyncio.timeout(MOMENT):
                while held < self.size:
                    await self.slots.acquire()
                    held += 1
        for connection in self.idle:
            await connection.close()
        self.idle.clear()
        for _ in range(held):
            self.slots.release()
        await self.engine.dispose()


def refused(url: URL, error: BaseException) -> NotRun:
    """Why there is no connection."""
    if state_of(error) == NO_DATABASE:
        return NotRun(f"the database {url.database} does not exist: run `craton migrate`, which makes it.")
    where = f"PostgreSQL at {url.host}:{url.port or 5432}"
    return NotRun(f"{where} takes no connection ({error}): is it running, and are the URL's user and password right?")


def state_of(error: BaseException) -> str:
    """PostgreSQL's five letters for an error; "" for others."""
    return getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None) or ""


def meaning(
    error: Exception, connection: PostgreSQLConnection, *, module: str, modules: Sequence[str]
) -> BaseException:
    """What a failed statement means: a Conflict, one of Craton's errors, or itself."""
    state = state_of(error)
    stale = type(getattr(error, "orig", None)).__name__ == "InvalidCachedStatementError"
    if state in CONFLICTS or stale or answered_twice(error, module):
        return Conflict(str(getattr(error, "orig", error)))
    if isinstance(error, asyncpg.InvalidParameterValueError):  # of SET ROLE
        return NotRun(f"{error}: the tables of module {module} have not been made: run `craton migrate`.")
    if connection.broken or isinstance(error, AWAY):
        return Conflict(f"the connection to PostgreSQL was lost: {error}")
    if state in FULL:
        return NotRun(f"PostgreSQL could not take it, {FULL[state]} ({error}). Nothing was changed.")
    if state == READ_ONLY:
        return QueryWrote(module, str(getattr(error, "orig", error)))
    return (state in (DENIED, NO_TABLE) and foreign(error, module, modules)) or error


def answered_twice(error: Exception, module: str) -> bool:
    """Whether the same call was answered elsewhere in the meantime: its answer is found when it is run again."""
    cause = getattr(getattr(error, "orig", None), "__cause__", error)
    return getattr(cause, "constraint_name", None) == f"{module}_inbox_pkey" and state_of(error) == "23505"


def foreign(error: Exception, module: str, modules: Sequence[str]) -> ForeignTable | None:
    """ForeignTable where the message names another module's table: one that is denied, or not on the search path."""
    for name in RELATION.findall(str(getattr(error, "orig", error))):
        table = name.rpartition(".")[2]
        if owner_of(table, modules) not in (None, module) or (table in modules and table != module):
            return ForeignTable(module, name)
    return None


def parsed(url: str) -> URL:
    """The URL. SettingsError where it names no database."""
    found = make_url(url)
    if not found.database:
        raise SettingsError(f"{url!r} names no database: write postgresql://user:password@host:port/name.")
    return found

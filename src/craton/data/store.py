"""A store: the database that the modules of one service share. A unit: one SERIALIZABLE transaction in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import ColumnElement, CursorResult, Executable
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from craton.calls.context import CONTEXT, context
from craton.errors import NotRun, SettingsError

R = TypeVar("R")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
Rows = CursorResult[*tuple[Any, ...]]
"""A statement's result; its rows have been fetched."""

ALONE = 2
"""The attempt (counted from 0) that no other work can come between any more."""
RERUNS = 3
URLS = "sqlite:////directory/file.db or postgresql://user:password@host:port/name"


class Conflict(BaseException):
    """Other work came between: run the unit again. Not an Exception, so that no handler swallows it.

    `alone`: run it alone at once, since what it shared a transaction with may break it again.
    """

    def __init__(self, why: str, *, alone: bool = False) -> None:
        self.alone = alone
        super().__init__(why)


class Unit(Protocol):
    """One SERIALIZABLE transaction, begun at its first statement.

    After a statement that failed it refuses others, with the same error, until `rollback_to` a savepoint.
    """

    @property
    def store(self) -> Store:
        """Where it runs."""
        ...

    module: str
    """Whose writes it takes now; a saga's window changes it from step to step."""
    wide: bool
    """A saga's window: statements of every module of this store are part of it."""
    writable: bool
    """False while a saga's window runs a query."""
    wrote: bool
    """Whether it has written since it began, or since someone set this to False."""
    attempt: int
    """How often the same work has met a Conflict before."""
    after: set[Callable[[], None]]
    """What to call when it has been committed."""

    @property
    def failed(self) -> BaseException | None:
        """What its latest statement raised, after which it refuses others."""
        ...

    async def execute(self, module: str, statement: Executable, parameters: Parameters = None) -> Rows:
        """Run one statement for a module. Conflict; QueryWrote, ForeignTable, StatementRefused; SQLAlchemy's errors."""
        ...

    async def later(self, module: str, statement: Executable, parameters: Parameters) -> object:
        """Run one writing statement of the framework's own, whose result nobody needs: at the latest with COMMIT, which
        then tells of its errors."""
        ...

    async def savepoint(self, name: str) -> None:
        """Begin a part that can be undone. A later one of the same name hides it."""
        ...

    async def rollback_to(self, name: str) -> None:
        """Undo what came after the savepoint, a failed statement included. The savepoint stays."""
        ...

    async def release(self, name: str) -> None:
        """Forget the savepoint and those after it, and keep what they did."""
        ...

    async def commit(self) -> None:
        """Returns when all of it is durable. Conflict; OutcomeUnknown where the reply was lost."""
        ...

    async def rollback(self) -> None:
        """Undo all of it. Returns when what it has read is durable; Conflict where that, or the unit, was lost."""
        ...


class Store(Protocol):
    """One database, shared by the modules of one service. An async context manager."""

    url: str
    modules: tuple[str, ...]
    exclusive: bool
    """Whether no other process can use it."""
    insert: Callable[..., Any]
    """The dialect's INSERT, which knows ON CONFLICT."""
    moment: ColumnElement[float]
    """The database's clock as an expression: seconds since 1970."""
    transaction: ColumnElement[int]
    """The number of the transaction in progress, as an expression; 0 where transactions come one by one."""
    horizon: ColumnElement[int]
    """All transactions with smaller numbers have ended."""

    def unit(self, module: str, *, wide: bool = False, attempt: int = 0) -> Unit:
        """A unit for a module; `attempt` counts how often the same work has met a Conflict."""
        ...

    async def read(self, module: str, statement: Executable, parameters: Parameters = None) -> Rows:
        """Run one reading statement outside any unit, on what has been committed. QueryWrote where it writes."""
        ...

    async def now(self) -> float:
        """The database's clock, in seconds since 1970."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


async def transact(store: Store, module: str, body: Callable[[Unit], Awaitable[R]], **changes: Any) -> R:
    """Run `body` in a unit, which is the context's while it runs, with other `changes` of it, and commit. After a
    Conflict, again: three times at most, while the deadline allows it. NotRun when that did not help.
    """
    attempt = 0
    while True:
        try:
            return await run(store.unit(module, attempt=attempt), body, **changes)
        except Conflict as conflict:
            attempt = max(attempt + 1, ALONE) if conflict.alone else attempt + 1
            left = CONTEXT.get().left()
            if attempt > RERUNS or (left is not None and left <= 0):
                raise NotRun(f"{module}: other work came between each time ({conflict}): ask again.") from conflict


async def run(unit: Unit, body: Callable[[Unit], Awaitable[R]], **changes: Any) -> R:
    """Run `body` in a unit once. What it raises rolls the unit back, and is void where the unit was lost already."""
    try:
        with context(unit=unit, **changes):
            result = await body(unit)
    except BaseException as error:
        try:
            await unit.rollback()
        except Conflict:
            if not isinstance(error, asyncio.CancelledError):
                raise
        raise
    await commit(unit)
    return result


async def commit(unit: Unit) -> None:
    """Commit, then call whoever waits for that."""
    await unit.commit()
    for call in unit.after:
        call()


def open_store(url: str, modules: Sequence[str], *, connections: int = 10) -> Store:
    """The store at `sqlite:////file.db` or `postgresql://user:password@host:port/name`; enter it with `async with`.

    `connections`: how many units, and how many queries, PostgreSQL runs at once.
    """
    engine = backend(url)
    if engine == "sqlite":
        from craton.data.stores.sqlite import SQLiteStore

        return SQLiteStore(url, modules)
    from craton.data.stores.postgresql import PostgreSQLStore

    return PostgreSQLStore(url, modules, connections=connections)


def backend(url: str) -> str:
    """ "sqlite" or "postgresql". SettingsError for anything else."""
    try:
        found = make_url(url).get_backend_name()
    except ArgumentError as error:
        raise SettingsError(f"{url!r} is no database URL: write {URLS}.") from error
    if found not in ("sqlite", "postgresql"):
        raise SettingsError(f"{found} is not supported: use {URLS}.")
    return found

"""One connection to an SQLite file: statements of SQLAlchemy, run at once, with their rows fetched whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Executable, create_engine
from sqlalchemy.pool import StaticPool

from craton.data.statements import check_verb, owner_of, short
from craton.data.store import Parameters, Rows
from craton.data.stores.direct import Plans
from craton.errors import ForeignTable, NotRun, StatementRefused

Guard = Callable[[str], None]
"""Sees each statement's text before it runs, and raises where it may not."""

READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
WRITES = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
PROTECTED = {"sqlite_master"}  # SQLite refuses writes to it by itself, and mentions them where json_each() is used
VERDICTS = 5_000
"""Statement texts to remember; an application that builds its SQL from values has more, and pays for it."""
TICK = 5_000
"""Instructions of SQLite's machine between two looks at the clock: about 0.1 ms."""


class WholeCursor(sqlite3.Cursor):
    """Fetches all rows at once: an open cursor would hold its snapshot, and rows of a transaction that goes on."""

    rows: Iterator[Any] = iter(())

    def __init__(self, connection: GuardedConnection) -> None:
        super().__init__(connection)
        self.guarded = connection

    def execute(self, sql: str, parameters: Any = (), /) -> WholeCursor:
        """Run a statement that the guard lets pass."""
        self.guarded.guard(sql)
        super().execute(sql, parameters)
        self.rows = iter(super().fetchall() if self.description else ())
        return self

    def executemany(self, sql: str, parameters: Any, /) -> WholeCursor:
        """Run a statement that the guard lets pass, for each set of parameters."""
        self.guarded.guard(sql)
        super().executemany(sql, parameters)
        return self

    def fetchone(self) -> Any:
        """The next row."""
        return next(self.rows, None)

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        """The next rows."""
        return list(islice(self.rows, size or 1))

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        return list(self.rows)


class GuardedConnection(sqlite3.Connection):
    """A connection whose transactions are not SQLAlchemy's."""

    guard: Guard = staticmethod(lambda sql: None)

    def cursor(self, factory: Any = WholeCursor) -> Any:
        """A cursor that fetches all."""
        return super().cursor(factory)

    def commit(self) -> None:
        """Nothing: the batch ends by its own rules."""

    def rollback(self) -> None:
        """Nothing, for the same reason."""


class SQLiteConnection:
    """A connection with the two ways to use it: SQLAlchemy's statements, and the framework's own bare ones."""

    def __init__(
        self, path: Path, plans: Plans, *, query_only: bool = False, timeout: float = 0, cached: int = 512
    ) -> None:
        self.plans = plans
        self.raw = sqlite3.connect(
            path, timeout=timeout, isolation_level=None, check_same_thread=False, cached_statements=cached,
            factory=GuardedConnection,
        )
        self.bare = sqlite3.Cursor(self.raw)
        self.bare.execute("PRAGMA synchronous=FULL")
        self.bare.execute("PRAGMA foreign_keys=ON")
        self.bare.execute(f"PRAGMA query_only={int(query_only)}")
        own: Any = dict(creator=lambda: self.raw, poolclass=StaticPool, isolation_level="AUTOCOMMIT")
        self.alchemy = create_engine("sqlite://", **own).connect()

    def run(self, guard: Guard, statement: Executable, parameters: Parameters) -> Rows:
        """Run one statement of an application."""
        run = self.plans.find(statement, parameters)
        if run is None:
            self.raw.guard = guard
            result: Rows = self.alchemy.execute(statement, parameters)
            self.plans.learn(statement, parameters, result)
            return result
        try:
            if run.bound.plan.description is None:
                guard(run.sql)
                cursor = sqlite3.Cursor(self.raw)
            else:
                self.raw.guard = guard
                cursor = WholeCursor(self.raw)
            cursor.execute(run.sql, run.given)
        except sqlite3.Error as error:
            raise run.error(error, self.alchemy.dialect) from error
        return run.result(cursor, self.alchemy)

    def sql(self, text: str) -> None:
        """Run one statement of the framework, without rows."""
        self.bare.execute(text)

    def close(self) -> None:
        """Close the file."""
        self.alchemy.close()
        self.bare.close()
        self.raw.close()


class Inspector:
    """Tells of each statement text whether it writes, and refuses what is not the module's.

    SQLite says so itself: its authorizer sees all that a statement, a view or a trigger names, however it is written.
    """

    def __init__(self, path: Path, modules: tuple[str, ...]) -> None:
        self.modules = modules
        self.connection = SQLiteConnection(path, Plans(), query_only=True, cached=0)  # a cached one asks for nothing
        self.connection.raw.set_authorizer(self.note)
        self.noted: list[tuple[int, str | None]] = []
        self.verdicts: dict[tuple[str, str], bool] = {}
        self.one_at_a_time = Lock()  # slow queries run on threads

    def note(self, action: int, name: str | None, *rest: str | None) -> int:
        """The authorizer: remember what is asked for. Nothing is executed here, so nothing need be denied."""
        self.noted.append((action, name))
        return sqlite3.SQLITE_OK

    def writes(self, module: str, sql: str) -> bool:
        """Whether it writes. ForeignTable, StatementRefused; sqlite3's errors where it is no SQL."""
        verdict = self.verdicts.get((module, sql))
        if verdict is None:
            with self.one_at_a_time:
                if len(self.verdicts) >= VERDICTS:
                    self.verdicts.clear()
                verdict = self.verdicts[module, sql] = self.judge(module, sql)
        return verdict

    def judge(self, module: str, sql: str) -> bool:
        """Ask SQLite once."""
        check_verb(module, sql)
        names = self.connection.bare.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        tables = {row[0].lower() for row in names}
        self.noted = []
        try:
            self.connection.bare.execute(f"EXPLAIN {sql}")
        except sqlite3.ProgrammingError:
            pass  # it has parameters, and was given none: it has been prepared, which is what matters
        self.connection.bare.fetchall()
        writes = {(name or "").lower() for action, name in self.noted if action in WRITES} - PROTECTED
        strange = {action for action, _ in self.noted} - READS - WRITES
        if strange or any(table.startswith("sqlite_") for table in writes):
            raise StatementRefused(module, short(sql))
        named = {name.lower() for action, name in self.noted if name and action != sqlite3.SQLITE_FUNCTION}
        for table in sorted(named & tables):  # a name that is no table's is an expression's: `WITH recent AS (...)`
            if owner_of(table, self.modules) != module:
                raise ForeignTable(module, table)
        return bool(writes)


def unavailable(error: BaseException | None, path: Path) -> NotRun | None:
    """What a caller should know of an error that is the machine's, not the statement's; None for others."""
    reason = REASONS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return NotRun(f"{path}: {reason} ({error}). Nothing was changed.") if reason else None


REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full: make room, then ask again",
    sqlite3.SQLITE_IOERR: "the disk failed: see the system's log, then ask again",
    sqlite3.SQLITE_BUSY: "another program holds the database's lock: end that program, then ask again",
    sqlite3.SQLITE_LOCKED: "another program holds the database's lock: end that program, then ask again",
    sqlite3.SQLITE_READONLY: "the file may not be written: mend its permissions",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened: mend its path or its permissions",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database: name another, or restore it from a backup",
}

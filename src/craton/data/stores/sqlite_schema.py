"""An SQLite file while its tables are made or looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from craton.data.stores.sqlite import FileLock, file_of, use_wal
from craton.data.stores.sqlite_connection import unavailable
from craton.errors import SettingsError

R = TypeVar("R")
PATIENCE = 5.0


class SQLiteSchema:
    """See `Schema`. Foreign keys are not enforced while tables are made anew, and checked before the commit."""

    def __init__(self, url: str, *, writing: bool) -> None:
        self.path, self.writing = file_of(url), writing
        self.lock = FileLock(self.path)
        own: Any = dict(creator=self.connect, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self.engine = create_engine("sqlite://", **own)

    def __enter__(self) -> SQLiteSchema | None:
        if not self.writing:
            return self if self.path.exists() else None
        self.lock.acquire()
        try:
            use_wal(self.path, patience=PATIENCE)
        except BaseException as error:
            self.lock.release()
            if isinstance(error, sqlite3.Error):
                raise SettingsError(str(unavailable(error, self.path) or error)) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lock.release()

    def connect(self) -> sqlite3.Connection:
        """A connection whose transactions are begun and ended here."""
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def run(self, module: str, work: Callable[[Connection], R]) -> R:
        """Run `work` in one transaction."""
        with self.engine.connect() as connection:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE" if self.writing else "BEGIN")
                result = work(connection)
                self.check_keys(connection, module)
                connection.exec_driver_sql("COMMIT")
            except BaseException as error:
                if connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]  # it is open
                    connection.exec_driver_sql("ROLLBACK")
                why = unavailable(error.orig, self.path) if isinstance(error, DBAPIError) else None
                if why is not None:
                    raise SettingsError(str(why)) from error
                raise
            return result

    def check_keys(self, connection: Connection, module: str) -> None:
        """Refuse what leaves rows that point nowhere."""
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first() if self.writing else None
        if broken is not None:
            raise SettingsError(
                f"the migrations of {module} leave a row of {broken[0]} that points to no row of {broken[2]}: "
                "mend the data, or the migration."
            )

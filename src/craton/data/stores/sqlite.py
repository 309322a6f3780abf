"""SQLite: one file, one process, one writer; queries read beside it."""

from __future__ import annotations

import asyncio
import fcntl
import math
import os
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import ColumnElement, Executable, Float, Integer, literal_column
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from craton.data.statements import short
from craton.data.store import Parameters, Rows
from craton.data.stores.direct import Plans
from craton.data.stores.sqlite_connection import TICK, Inspector, SQLiteConnection, unavailable
from craton.data.stores.sqlite_unit import SQLiteUnit
from craton.data.stores.sqlite_writer import Writer
from craton.errors import QueryWrote, SettingsError

BRISK = 0.005
"""Seconds that a query may keep the event loop; then it is interrupted, and repeated on a thread."""
THREADS = 4
AGAIN = {sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def file_of(url: str) -> Path:
    """The file that a URL names. SettingsError for databases in memory."""
    found = make_url(url)
    if not found.database or ":memory:" in found.database or found.database.startswith("file:") or found.query:
        raise SettingsError(f"{url!r}: SQLite needs a file, and no options: write sqlite:////directory/file.db.")
    return Path(found.database).resolve()


class FileLock:
    """The right of this process to a file, until it ends. The operating system takes it from a process that dies."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".lock")
        self.file: int | None = None

    def acquire(self) -> None:
        """SettingsError where another process has it."""
        try:
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be made ({error.strerror}): mend its directory.") from error
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self.file, 20, 0).decode() or "unknown"
            self.release()
            raise SettingsError(
                f"SQLite serves one process per file, and process {holder} has {self.path.with_suffix('')}: "
                "end that process, or use PostgreSQL."
            ) from error
        os.truncate(self.file, 0)
        os.pwrite(self.file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give it back."""
        if self.file is not None:
            os.close(self.file)
            self.file = None


class Reader:
    """A connection that cannot write, and gives up when its time is over."""

    def __init__(self, path: Path, plans: Plans, *, timeout: float = 0) -> None:
        self.connection = SQLiteConnection(path, plans, query_only=True, timeout=timeout)
        self.connection.raw.set_progress_handler(lambda: time.perf_counter() > self.until, TICK)
        self.until = math.inf

    def run(self, store: SQLiteStore, module: str, statement: Executable, parameters: Parameters) -> Rows:
        """Run one statement within its time."""
        return self.connection.run(lambda sql: store.admit_read(module, sql), statement, parameters)


class SQLiteStore:
    """See `Store`.

    `hold`: seconds that a unit may be suspended after a write before it is rolled back and run again; `limit`: the
    same for a saga's window and for the third attempt; `patience`: how long another program's lock is waited for.
    """

    exclusive = True
    insert = staticmethod(insert)
    moment: ColumnElement[float] = literal_column("(julianday('now') - 2440587.5) * 86400.0", Float)
    transaction: ColumnElement[int] = literal_column("0", Integer)
    horizon: ColumnElement[int] = literal_column("1", Integer)

    def __init__(
        self, url: str, modules: Sequence[str], *, hold: float = 0.05, limit: float = 10.0, patience: float = 5.0
    ) -> None:
        self.url, self.modules = url, tuple(modules)
        self.path = file_of(url)
        self.hold, self.limit, self.patience = hold, limit, patience
        self.lock = FileLock(self.path)
        self.plans = Plans()
        self.idle: list[Reader] = []

    async def __aenter__(self) -> Self:
        self.lock.acquire()
        try:
            self.open()
        except BaseException as error:
            self.lock.release()
            if isinstance(error, sqlite3.Error):
                raise SettingsError(str(unavailable(error, self.path) or error)) from error
            raise
        return self

    def open(self) -> None:
        """Open the writer, the reader and the inspector."""
        use_wal(self.path, patience=self.patience)
        self.writer = Writer(self.path, self.plans, patience=self.patience)
        self.reader = Reader(self.path, self.plans)
        self.inspector = Inspector(self.path, self.modules)
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="craton-read")
        self.slots = asyncio.Semaphore(THREADS)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.writer.close()
        self.threads.shutdown()
        for connection in (self.reader.connection, self.inspector.connection, *(r.connection for r in self.idle)):
            connection.close()
        self.lock.release()

    def unit(self, module: str, *, wide: bool = False, attempt: int = 0) -> SQLiteUnit:
        """A unit for a module."""
        return SQLiteUnit(self, module, wide=wide, attempt=attempt)

    async def now(self) -> float:
        """The machine's clock, which is SQLite's."""
        return time.time()

    async def read(self, module: str, statement: Executable, parameters: Parameters = None) -> Rows:
        """Run one reading statement: here and now where it is quick, else on a thread."""
        self.reader.until = time.perf_counter() + BRISK
        try:
            return self.reader.run(self, module, statement, parameters)
        except DBAPIError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF not in AGAIN:
                raise (unavailable(error.orig, self.path) or error) from error.orig
        return await self.read_apart(module, statement, parameters)

    async def read_apart(self, module: str, statement: Executable, parameters: Parameters) -> Rows:
        """Run a slow one on a thread. It stops when nobody waits for it any more."""
        async with self.slots:
            reader = self.idle.pop() if self.idle else Reader(self.path, self.plans, timeout=self.patience)
            reader.until = math.inf
            running = asyncio.get_running_loop().run_in_executor(
                self.threads, reader.run, self, module, statement, parameters
            )
            try:
                return await asyncio.shield(running)
            except DBAPIError as error:
                raise (unavailable(error.orig, self.path) or error) from error.orig
            finally:
                reader.until = 0
                await asyncio.wait([running])
                self.idle.append(reader)

    def admit_read(self, module: str, sql: str) -> None:
        """Look at a statement outside a unit before it runs."""
        if self.inspector.writes(module, sql):
            raise QueryWrote(module, short(sql))


def use_wal(path: Path, *, patience: float) -> None:
    """Let readers and the writer work side by side. The setting stays in the file."""
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None)
    try:
        mode: Any = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    finally:
        connection.close()
    if mode != ("wal",):
        raise SettingsError(f"{path}: SQLite cannot use a write-ahead log there; put the file on a local disk.")

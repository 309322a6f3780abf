"""A PostgreSQL database while its roles, schemas and tables are made or looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from craton.data.stores.postgresql_connection import AWAY, parsed, quoted, refused, role_of
from craton.errors import SettingsError

R = TypeVar("R")
MIGRATING = 0x6372_6174_6F6E
"""The advisory lock of who migrates a database: "craton" in hexadecimal."""
MEMBER = text("SELECT pg_has_role(current_user, :role, 'MEMBER')")  # always so for superusers


class PostgreSQLSchema:
    """See `Schema`. It has an event loop of its own, since Alembic is no coroutine and runs in a thread."""

    def __init__(self, url: str, *, writing: bool) -> None:
        self.url, self.writing = parsed(url), writing
        self.runner = asyncio.Runner()

    def __enter__(self) -> PostgreSQLSchema | None:
        try:
            return self.runner.run(self.open())
        except BaseException:
            self.runner.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.runner.close()

    async def open(self) -> PostgreSQLSchema | None:
        """Reach the database; make it where it is missing and wanted."""
        try:
            await self.control(self.url, "SELECT 1")
        except asyncpg.InvalidCatalogNameError:
            if not self.writing:
                return None
            await self.create_database()
        except (asyncpg.PostgresError, *AWAY) as error:
            raise refused(self.url, error) from error
        return self

    async def create_database(self) -> None:
        """Make the database, unless another process does so at the same time."""
        name = quoted(self.url.database or "")
        try:
            await self.control(self.url.set(database="postgres"), f"CREATE DATABASE {name}")
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            pass
        except asyncpg.InsufficientPrivilegeError as error:
            raise SettingsError(
                f"the database {name} does not exist, and {self.url.username} may not make it: "
                f"have an administrator run: CREATE DATABASE {name} OWNER {self.url.username}"
            ) from error

    async def control(self, url: URL, *statements: str) -> None:
        """Run statements outside any transaction."""
        dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def run(self, module: str, work: Callable[[Connection], R]) -> R:
        """Run `work` in one transaction, as the module's role and in its schema."""
        return self.runner.run(self.run_soon(module, work))

    async def run_soon(self, module: str, work: Callable[[Connection], R]) -> R:
        """The same, on the loop. The lock goes with the transaction."""
        engine = create_async_engine(self.url.set(drivername="postgresql+asyncpg"), poolclass=NullPool)
        role, schema = quoted(role_of(self.url, module)), quoted(module)
        async with engine.begin() as connection:
            if self.writing:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATING})"))
                await self.prepare(connection, module)
            if self.writing or await self.has_role(connection, module):
                await connection.execute(text(f"SET LOCAL ROLE {role}"))
            await connection.execute(text(f"SET LOCAL search_path = {schema}"))
            result = await connection.run_sync(work)
        return result

    async def has_role(self, connection: AsyncConnection, module: str) -> bool:
        """Whether the module's role is there."""
        found = text("SELECT count(*) FROM pg_roles WHERE rolname = :role")
        return bool((await connection.execute(found, {"role": role_of(self.url, module)})).scalar_one())

    async def prepare(self, connection: AsyncConnection, module: str) -> None:
        """Make the role and the schema."""
        role, schema = quoted(role_of(self.url, module)), quoted(module)
        wanted = [f"CREATE ROLE {role} NOLOGIN"] * (not await self.has_role(connection, module))
        try:
            for statement in wanted:
                await connection.execute(text(statement))
            if not (await connection.execute(MEMBER, {"role": role_of(self.url, module)})).scalar_one():
                await connection.execute(text(f"GRANT {role} TO current_user"))
            await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {role}"))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != "42501":
                raise
            raise SettingsError(
                f"{self.url.username} may not make the role and the schema of module {module} ({error.orig}): have an "
                f"administrator run: CREATE ROLE {role} NOLOGIN; GRANT {role} TO {self.url.username}; "
                f"CREATE SCHEMA {schema} AUTHORIZATION {role}"
            ) from error

"""PostgreSQL: a schema and a role per module; units on one set of connections, queries on another, read-only one."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from sqlalchemy import BigInteger, ColumnElement, Executable, Float, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from craton.data.statements import check_verb, modifies, short
from craton.data.store import Conflict, Parameters, Rows
from craton.data.stores.direct import Plans
from craton.data.stores.postgresql_connection import (
    Connections,
    Item,
    PostgreSQLConnection,
    engine_of,
    meaning,
    parsed,
    quoted,
    role_of,
)
from craton.data.stores.postgresql_gate import Gate
from craton.data.stores.postgresql_reads import Reads
from craton.data.stores.postgresql_unit import PostgreSQLUnit
from craton.errors import NotRun, QueryWrote

BY_INDEX = {"enable_seqscan": "off"}
"""In a SERIALIZABLE transaction a scan of a whole table conflicts with every change to it, a look by index does not."""

PATIENCE = 100
"""Milliseconds to wait for a row that another transaction has changed: it is a conflict anyway once that commits, and
PostgreSQL looks for deadlocks only after a second. The attempt that runs alone waits for as long as it takes."""


class PostgreSQLStore:
    """See `Store`. `connections`: how many for units at most, and how many for queries.

    `limit`: seconds that a unit may be idle in its transaction before PostgreSQL ends it; then it is run again.
    """

    exclusive = False
    insert = staticmethod(insert)
    moment: ColumnElement[float] = literal_column("CAST(extract(epoch FROM clock_timestamp()) AS float8)", Float)
    transaction: ColumnElement[int] = literal_column("CAST(CAST(pg_current_xact_id() AS text) AS int8)", BigInteger)
    horizon: ColumnElement[int] = literal_column(
        "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS int8)", BigInteger
    )

    def __init__(self, url: str, modules: Sequence[str], *, connections: int = 10, limit: float = 10.0) -> None:
        self.url, self.modules = url, tuple(modules)
        self.parsed = parsed(url)
        self.roles = {module: role_of(self.parsed, module) for module in modules}
        self.connections, self.limit = connections, limit

    async def __aenter__(self) -> Self:
        limit, path = str(int(self.limit * 1000)), ", ".join(map(quoted, self.modules))
        writers = engine_of(
            self.parsed, default_transaction_isolation="serializable", lock_timeout=str(PATIENCE),
            idle_in_transaction_session_timeout=limit, search_path=path, **BY_INDEX,
        )
        readers = engine_of(self.parsed, default_transaction_read_only="on", search_path=path)
        self.plans = Plans()
        self.writers = Connections(writers, self.connections, self.plans)
        self.readers = Connections(readers, self.connections, self.plans)
        self.reads = Reads(self.readers, self.become)
        self.gate = Gate(self.connections)
        try:
            await self.now()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        await self.writers.close()
        await self.reads.close()
        await self.readers.close()

    def become(self, module: str) -> list[str]:
        """The statements that make a connection the module's. Its search path stays: a role does not find what is in
        schemas that it may not use, and with another path PostgreSQL would plan all that it has prepared anew."""
        return [f"SET ROLE {quoted(self.roles[module])}"]

    def unit(self, module: str, *, wide: bool = False, attempt: int = 0) -> PostgreSQLUnit:
        """A unit for a module."""
        return PostgreSQLUnit(self, module, wide=wide, attempt=attempt)

    async def now(self) -> float:
        """The server's clock."""
        return float((await self.read_as(None, select(self.moment), None)).scalar_one())

    async def read(self, module: str, statement: Executable, parameters: Parameters = None) -> Rows:
        """Run one reading statement, as the module's role."""
        return await self.read_as(module, statement, parameters)

    async def read_as(self, module: str | None, statement: Executable, parameters: Parameters) -> Rows:
        """Run it, together with others where that can be; alone, and again where its connection had ended while it was
        idle, since a query may be asked twice."""
        run = None if module is None else self.plans.find(statement, parameters)
        if run is not None and module is not None:
            self.admit_read(module, run.sql)
            if (rows := await self.reads.ask(module, run)) is not None:
                return rows
        for left in range(len(self.readers.idle), -2, -1):
            try:
                return await self.read_once(module, statement, parameters)
            except Conflict as conflict:
                if left < 0:
                    raise NotRun(f"a query did not get through to PostgreSQL: {conflict}") from conflict
        raise AssertionError

    async def read_once(self, module: str | None, statement: Executable, parameters: Parameters) -> Rows:
        """Run it on one connection. Conflict where that has ended."""
        connection = await self.readers.acquire(module or "")
        try:
            return await self.read_on(connection, module, statement, parameters)
        except Exception as error:
            told = self.meaning(error, connection, module or "")
            if told is error:
                raise
            if isinstance(told, Conflict):
                connection.driver.terminate()
            raise told from error
        finally:
            await self.readers.release(connection)

    def meaning(self, error: BaseException, connection: PostgreSQLConnection, module: str) -> BaseException:
        """What a failed statement of a module means."""
        if isinstance(error, Exception):
            return meaning(error, connection, module=module, modules=self.modules)
        return error

    async def read_on(
        self, connection: PostgreSQLConnection, module: str | None, statement: Executable, parameters: Parameters
    ) -> Rows:
        """Run it as the module's role, which is taken on the same way where the connection had another one."""
        items: list[Item] = []
        if module is not None and connection.module != module:
            connection.module, items = None, [*self.become(module)]
        found = await connection.run(lambda sql: self.admit_read(module or "", sql), statement, parameters, items)
        connection.module = module or connection.module
        return found

    def admit_read(self, module: str, sql: str) -> None:
        """Look at a statement outside a unit before it is sent."""
        check_verb(module, sql)
        if modifies(sql):
            raise QueryWrote(module, short(sql))

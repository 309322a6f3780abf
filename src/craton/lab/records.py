"""What the services of a running application have written down, read from their databases directly."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, Self

from craton.testing.processes import Processes

Row = dict[str, Any]


class Records:
    """The databases of all services, opened for reading: `async with Records(processes) as records`."""

    def __init__(self, processes: Processes) -> None:
        databases = processes.plan.databases()
        self.application = processes.application
        self.homes = {module: databases[service.name] for service in processes.topology.services
                      for module in (kept.name for kept in processes.application.kept(service.modules))}
        self.open: dict[str, Any] = {}
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for url in set(self.homes.values()):
            self.open[url] = await self.connected(url)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stack.aclose()

    async def connected(self, url: str) -> Any:
        """A connection to one database."""
        if url.startswith("sqlite:///"):
            file = sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True, timeout=10)
            file.row_factory = sqlite3.Row
            self.stack.callback(file.close)
            return file
        import asyncpg

        connection = await asyncpg.connect(url)
        self.stack.push_async_callback(connection.close)
        return connection

    async def read(self, module: str, table: str, where: str = "true") -> list[Row]:
        """Rows of one table of a module, which is named without the module."""
        connection = self.open[self.homes[module]]
        if isinstance(connection, sqlite3.Connection):
            return [dict(row) for row in connection.execute(f"SELECT * FROM {module}_{table} WHERE {where}")]
        found = await connection.fetch(f'SELECT * FROM "{module}"."{module}_{table}" WHERE {where}')
        return [dict(row) for row in found]

    async def letters(self) -> list[str]:
        """Events that could not be applied: a line for each."""
        return [line for m in self.homes for line in shown(m, "letter", await self.read(m, "letter"))]

    async def unapplied(self) -> list[str]:
        """Events that somebody should apply, and has not: a line for each. A broker may have them."""
        hearers, applied, found = self.hearers(), dict[str, set[str]](), list[str]()
        for module in self.homes:
            applied[module] = {row["key"] for row in await self.read(module, "inbox", "key LIKE '%/%'")}
        for module in self.homes:
            for row in await self.read(module, "outbox"):
                for hearer in hearers.get(row["type"], ()):
                    if f"{row['id']}/{hearer}" not in applied[hearer.partition(".")[0]]:
                        found.append(f"{hearer} has never applied {row['type']} {row['id']} of {module}")
        return found

    def hearers(self) -> dict[str, tuple[str, ...]]:
        """Who applies events, by the name of their type."""
        kinds = {kind for _, method in self.application.methods() for kind in (*method.on, *method.awaits)}
        return {kind.__name__: self.application.subscribers(kind) for kind in kinds}

    async def unrest(self) -> list[str]:
        """What still goes on: a line for each."""
        return [line for module in self.homes for table, where in GOING_ON.items()
                for line in shown(module, table, await self.read(module, table, where))]


GOING_ON = {
    "saga": "state IN ('running', 'undoing')", "outbox": "status = 'stored'",
    "inbox": "status = 'running' AND key NOT LIKE 'operator-%'",  # an operator who goes away asks no more
    "letter": "status IN ('retrying', 'waiting')",
}
"""By the framework's table: the rows that are not at their end."""
TELLING = ("id", "key", "message", "subscriber", "method", "type", "state", "status", "pending", "error")
"""The columns that say what a row is about."""


def shown(module: str, table: str, rows: list[Row]) -> Iterator[str]:
    """Rows, for people."""
    for row in rows:
        told = {name: row[name] for name in TELLING if row.get(name) is not None}
        yield f"{module}_{table}: {', '.join(f'{name}={value}' for name, value in told.items())}"

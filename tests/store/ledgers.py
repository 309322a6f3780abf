"""What the store's databases and the payment provider have written down, read from outside while all of them run."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx

from craton.testing.start import Running

Row = Mapping[str, Any]
OWN = {
    "orders": ("orders", "lines", "history", "outbox"),
    "inventory": ("stock", "reservations", "lines", "movements", "outbox"),
    "carts": ("carts", "lines"),
    "payments": ("payments", "refunds", "outbox"),
}
"""The tables that matter, by module; besides those that every module has."""
EVERY = ("saga", "inbox")


@dataclass(slots=True)
class Ledgers:
    """All of it: `tables` by name ("orders_lines"), and the provider's `intents` and `ledger`."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    intents: list[Row] = field(default_factory=list)
    ledger: list[Row] = field(default_factory=list)

    def __getitem__(self, table: str) -> list[Row]:
        return self.tables.get(table, [])

    def by(self, table: str, column: str) -> dict[str, list[Row]]:
        """A table's rows, by one of their columns."""
        return grouped(self[table], column)


def grouped(rows: Iterable[Row], column: str) -> dict[str, list[Row]]:
    """Rows by one of their columns."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return found


def databases_of(running: Running) -> dict[str, str]:
    """The database of each service; those of real processes stand in their plan."""
    plan = getattr(running, "plan", None)
    return dict(running.databases if plan is None else plan.databases())


async def read(running: Running, *, provider: str) -> Ledgers:
    """Everything. Orders are read first and the provider last, so that what an order says has happened is found there,
    even while the store works; each database is read in one transaction."""
    found = Ledgers(await read_tables(running))
    async with httpx.AsyncClient(base_url=provider, trust_env=False, verify=False, timeout=20) as http:
        books = (await http.get("/books")).raise_for_status().json()
    found.intents, found.ledger = books["intents"], books["ledger"]
    return found


async def read_tables(running: Running, *, every: bool = True) -> dict[str, list[Row]]:
    """The store's tables; with every=False only those that say what is going on."""
    databases, found = databases_of(running), dict[str, list[Row]]()
    for service in sorted(running.topology.services, key=lambda service: "orders" not in service.modules):
        wanted = {
            f"{module}_{table}": module
            for module in service.modules for table in (*(OWN.get(module, ()) if every else ()), *EVERY)
        }
        url = databases[service.name]
        if url.startswith("sqlite:"):
            found |= await asyncio.to_thread(read_sqlite, url.removeprefix("sqlite:///"), wanted)
        else:
            found |= await read_postgresql(url, wanted)
    return found


def read_sqlite(path: str, wanted: Mapping[str, str]) -> dict[str, list[Row]]:
    """Tables of an SQLite file."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=10)) as db:
        db.row_factory = sqlite3.Row
        db.execute("BEGIN")
        return {table: [dict(row) for row in db.execute(f"SELECT * FROM {table}")] for table in wanted}


async def read_postgresql(url: str, wanted: Mapping[str, str]) -> dict[str, list[Row]]:
    """Tables of a PostgreSQL database, where each module has a schema."""
    db = await asyncpg.connect(url)
    try:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            return {
                table: [dict(row) for row in await db.fetch(f'SELECT * FROM "{module}".{table}')]
                for table, module in wanted.items()
            }
    finally:
        await db.close()


async def unrest(running: Running) -> list[str]:
    """What is still going on: sagas that have not ended, and effects whose outcome is not known."""
    tables = await read_tables(running, every=False)
    sagas = [
        f"{row['method']} ({row['id']}) is {row['state']}"
        for table, rows in tables.items() if table.endswith("_saga")
        for row in rows if row["state"] in ("running", "undoing")
    ]
    effects = [
        f"{row['method']} ({row['key']}) is running"
        for table, rows in tables.items() if table.endswith("_inbox") for row in rows if row["status"] == "running"
    ]
    return sagas + effects

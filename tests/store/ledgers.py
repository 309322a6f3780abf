"""What the store's databases and the payment provider have written down, read from outside while all of them run."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import asyncpg
import httpx

from apps.store.application import store
from craton.testing.start import Running
from tests.store import books_in_node

Row = Mapping[str, Any]
OWN = {
    "orders": ("orders", "lines", "history"),
    "inventory": ("stock", "reservations", "lines", "movements"),
    "carts": ("carts", "lines", "products"),
    "payments": ("payments", "refunds", "notices"),
    "catalog": ("products",),
    "shipping": ("shipments",),
    "notifications": ("messages",),
    "recommendations": ("products", "pairs"),
}
"""The tables that matter, by module; besides those that every module has."""
EVERY = {
    "saga": "state IN ('running', 'undoing', 'waiting')", "inbox": "status = 'running'", "outbox": "status = 'stored'",
    "letter": "status IN ('retrying', 'waiting')",
}
"""The tables that every module has, and in which rows something is still going on."""


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
    """The store's tables; with every=False only the rows that say what is going on."""
    databases, found = databases_of(running), dict[str, list[Row]]()
    for service in sorted(running.topology.services, key=lambda service: "orders" not in service.modules):
        wanted = [
            Wanted(module.name, table, "true" if every else EVERY[table])
            for module in store.kept(service.modules)
            for table in (*(OWN.get(module.name, ()) if every else ()), *EVERY)
        ]
        if service.command:
            found |= books_in_node.tables(running) if every else {}
            continue
        if not wanted:
            continue
        url = databases[service.name]
        if url.startswith("sqlite:"):
            found |= await asyncio.to_thread(read_sqlite, url.removeprefix("sqlite:///"), wanted)
        else:
            found |= await read_postgresql(url, wanted)
    return found


class Wanted(NamedTuple):
    """Rows of a module's table."""

    module: str
    table: str
    rows: str

    @property
    def name(self) -> str:
        """The table's name in the database."""
        return f"{self.module}_{self.table}"


def read_sqlite(path: str, wanted: Iterable[Wanted]) -> dict[str, list[Row]]:
    """Tables of an SQLite file."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=10)) as db:
        db.row_factory = sqlite3.Row
        db.execute("BEGIN")
        return {w.name: [dict(row) for row in db.execute(f"SELECT * FROM {w.name} WHERE {w.rows}")] for w in wanted}


async def read_postgresql(url: str, wanted: Iterable[Wanted]) -> dict[str, list[Row]]:
    """Tables of a PostgreSQL database, where each module has a schema."""
    db = await asyncpg.connect(url)
    try:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            return {
                w.name: [dict(row) for row in await db.fetch(f'SELECT * FROM "{w.module}".{w.name} WHERE {w.rows}')]
                for w in wanted
            }
    finally:
        await db.close()


async def unrest(running: Running) -> list[str]:
    """What is still going on: sagas that have not ended, effects whose outcome is not known, events that have not
    arrived or not been applied."""
    tables = await read_tables(running, every=False)
    return [f"{table}: {dict(row)}" for table, rows in tables.items() for row in rows]


async def settled(running: Running, *, seconds: float = 30) -> None:
    """Return once nothing goes on any more; TimeoutError says what does."""
    until = asyncio.get_running_loop().time() + seconds
    while going := await unrest(running):
        if asyncio.get_running_loop().time() > until:
            raise TimeoutError("\n".join(going))
        await asyncio.sleep(0.01)

"""The books: all that the store and the payment provider have written down, read from their databases directly."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import asyncpg

from craton.lab.browser import Browser
from craton.testing.processes import Processes

Row = dict[str, Any]
TABLES = {
    "orders": ("projection", "takings", "orders", "lines", "history"),  # how far the takings are is read before them
    "payments": ("payments", "refunds"),
    "inventory": ("stock", "reservations", "lines", "movements"),
    "carts": ("carts", "lines"),
}
OWN = ("saga", "journal", "inbox", "outbox")
"""The framework's tables, which every module has."""
ENDED = ("done", "fault", "failed")


@dataclass(frozen=True)
class Books:
    """Rows by table ("orders_orders"), and what the provider says: its payments, and its ledger."""

    tables: dict[str, list[Row]]
    intents: list[Row]
    ledger: list[Row]

    def __getitem__(self, table: str) -> list[Row]:
        """The rows of a table."""
        return self.tables[table]

    def of(self, kind: str) -> list[Row]:
        """The rows of one of the framework's tables, of all modules, each with its module."""
        found = [(name.rpartition("_")[0], rows) for name, rows in self.tables.items() if name.endswith(f"_{kind}")]
        return [{**row, "module": module} for module, rows in found for row in rows]

    def once_paid(self) -> set[str]:
        """The orders that were paid at some time."""
        return {row["order_id"] for row in self["orders_history"] if row["status"] == "paid"}

    def by_order(self, table: str) -> dict[str, list[Row]]:
        """The rows of a table by their order."""
        return grouped(self[table], "id" if table == "orders_orders" else "order_id")


def grouped(rows: Sequence[Row], column: str) -> dict[str, list[Row]]:
    """Rows by what stands in a column."""
    found = defaultdict[str, list[Row]](list)
    for row in rows:
        found[row[column]].append(row)
    return found


async def read_books(processes: Processes) -> Books:
    """Everything that is written down now."""
    tables: dict[str, list[Row]] = {}
    for url, modules in keepers(processes):
        tables |= await read_tables(url, {f"{m}_{t}": m for m in modules for t in (*TABLES.get(m, ()), *OWN)})
    said = (await Browser(provider_url(processes)).ask("GET", "/books")).body
    return Books(tables, said["intents"], said["ledger"])


def keepers(processes: Processes) -> Iterator[tuple[str, list[str]]]:
    """The databases of the services, each with the modules that keep something there."""
    databases = processes.plan.databases()
    for service in processes.topology.services:
        if kept := processes.plan.application.kept(service.modules):
            yield databases[service.name], [module.name for module in kept]


def provider_url(processes: Processes) -> str:
    """Where the simulated payment provider answers."""
    return f"http://127.0.0.1:{processes.plan.ports['provider']}"


async def read_tables(url: str, names: dict[str, str]) -> dict[str, list[Row]]:
    """Whole tables of one database; `names` tells whose each is."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True, timeout=10)) as file:
            file.row_factory = sqlite3.Row
            return {name: [dict(row) for row in file.execute(f"SELECT * FROM {name}")] for name in names}
    connection = await asyncpg.connect(url)
    try:
        return {
            name: [dict(row) for row in await connection.fetch(f'SELECT * FROM "{module}"."{name}"')]
            for name, module in names.items()
        }
    finally:
        await connection.close()


async def unfinished(processes: Processes) -> int:
    """How many sagas have neither ended nor been parked."""
    count = 0
    for url, modules in keepers(processes):
        found = await read_tables(url, {f"{module}_saga": module for module in modules})
        count += sum(row["state"] in ("running", "undoing") for rows in found.values() for row in rows)
    return count


async def quiet(processes: Processes) -> None:
    """Return when no saga goes on any more."""
    while await unfinished(processes):  # noqa: ASYNC110  # it is other processes that are waited for
        await asyncio.sleep(0.5)


async def busy(processes: Processes, *, sagas: int) -> None:
    """Return when so many sagas go on."""
    while await unfinished(processes) < sagas:  # noqa: ASYNC110  # it is other processes that begin them
        await asyncio.sleep(0.1)

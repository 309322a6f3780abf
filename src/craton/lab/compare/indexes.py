"""Missing indexes: statements for which PostgreSQL reads a large table from end to end, and passes over most of it.

A statement is planned as for any values: `plan_cache_mode = force_generic_plan`, and NULL for each parameter. Where the
planner prefers the scan to an index that fits, or most rows are wanted, an index would not help, and nothing is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg

MANY = 1000
"""Rows from which on a table is large."""
WANTED = 0.2
"""Share of the rows from which on reading all is right."""
PARAMETER = re.compile(r"\$(\d+)")
COMPARED = re.compile(r'\(?"?(\w+)"?\)?(?:::[\w ]+?)?\s+(=|<=|>=|<|>|~~\*?)\s')
"""A column on the left of a comparison, as EXPLAIN writes it: "((author)::text = $1)"."""
PATTERNS = {"~~", "~~*"}
SETTINGS = {"plan_cache_mode": "force_generic_plan", "max_parallel_workers_per_gather": "0"}
Node = Mapping[str, Any]
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True, slots=True)
class Scan:
    """A statement that has a table read from end to end: its key, how many rows the table has, what it is
    searched by, and whether that is a pattern (LIKE)."""

    key: str
    table: str
    rows: int
    columns: tuple[str, ...]
    pattern: bool

    @property
    def cure(self) -> str:
        """What to do."""
        columns = ", ".join(self.columns)
        if self.pattern:
            return f"{columns} is searched for a pattern, for which an index of trigrams is made (extension pg_trgm)"
        return f"an index on {columns} would lead to what is wanted"


async def scans(asked: Mapping[str, Mapping[str, str]], url: str) -> Sequence[Scan]:
    """The scans among the statements of each module, by their keys, on the server at a URL."""
    found: list[Scan] = []
    for database in await databases(url):
        connection = await asyncpg.connect(urlsplit(url)._replace(path=f"/{database}").geturl())
        try:
            schemas = await connection.fetch("SELECT nspname FROM pg_namespace")
            for module in asked.keys() & {name for (name,) in schemas}:
                for key, text in asked[module].items():
                    found += await Explaining(connection, module, key, text).scans()
        finally:
            await connection.close()
    return found


async def databases(url: str) -> Sequence[str]:
    """The databases of a server; where the URL names one, that one, and those whose names begin with it and a "_"."""
    base = urlsplit(url).path.strip("/")
    connection = await asyncpg.connect(urlsplit(url)._replace(path="/postgres").geturl())
    try:
        names = await connection.fetch("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate")
    finally:
        await connection.close()
    return [name for (name,) in names if name == base or name.startswith(f"{base}_") or not base]


@dataclass(frozen=True)
class Explaining:
    """One statement of a module, on a connection to its database."""

    connection: Connection
    module: str
    key: str
    text: str

    async def scans(self) -> Sequence[Scan]:
        """Where it reads a large table from end to end, to find little."""
        found = []
        for node in [node for node in await self.plan() if node["Node Type"] == "Seq Scan" and "Filter" in node]:
            table, filtered = node["Relation Name"], node["Filter"]
            rows = await self.rows(table)
            columns = compared(filtered, await self.columns(table))
            little = node["Plan Rows"] < WANTED * rows
            if columns and little and await self.is_large(table) and not await self.has_index(table):
                pattern = all(operator in PATTERNS for operator in columns.values())
                found.append(Scan(self.key, table, rows, tuple(columns), pattern))
        return found

    async def plan(self, text: str = "", *, scans: bool = True) -> Sequence[Node]:
        """The nodes of the plan; none for what cannot be planned alone."""
        text = text or self.text
        count = max((int(number) for number in PARAMETER.findall(text)), default=0)
        given = f"({', '.join(['NULL'] * count)})" if count else ""
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            for name, value in {**SETTINGS, "enable_seqscan": "on" if scans else "off"}.items():
                await self.connection.execute(f"SET LOCAL {name} = {value}")
            await self.connection.execute(f'SET LOCAL search_path = "{self.module}"')
            await self.connection.execute(f"PREPARE craton_advice AS {text}")
            told = await self.connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE craton_advice{given}")
            await self.connection.execute("DEALLOCATE craton_advice")
            return list(nodes(json.loads(told)[0]["Plan"]))
        except asyncpg.PostgresError:
            return []
        finally:
            await transaction.rollback()

    async def rows(self, table: str) -> int:
        """How many rows the planner takes a table to have."""
        return int(sum(node["Plan Rows"] for node in await self.plan(f'SELECT FROM "{table}"')))

    async def is_large(self, table: str) -> bool:
        """Whether it really has many."""
        counted = f'SELECT count(*) FROM (SELECT FROM "{self.module}"."{table}" LIMIT {MANY}) AS found'
        return bool(await self.connection.fetchval(counted) >= MANY)

    async def has_index(self, table: str) -> bool:
        """Whether the planner could use one."""
        return any(
            node.get("Relation Name") == table and ("Index Cond" in node or node["Node Type"] == "Bitmap Heap Scan")
            for node in await self.plan(scans=False)
        )

    async def columns(self, table: str) -> Collection[str]:
        """The columns of a table."""
        asked = "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0"
        return {name for (name,) in await self.connection.fetch(asked, f'"{self.module}"."{table}"')}


def nodes(plan: Node) -> Iterator[Node]:
    """A node, and those below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def compared(filtered: str, columns: Collection[str]) -> Mapping[str, str]:
    """The columns that a filter compares with something, and how."""
    return {name: operator for name, operator in COMPARED.findall(filtered) if name in columns}

"""What `craton doctor` says of a service's database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any

from craton.data.schema import missing, open_schema
from craton.data.stores.sqlite import file_of
from craton.errors import CratonError
from craton.module import Module
from craton.run.doctors.finding import Finding

OPENED_WITHIN = 5.0  # seconds


async def examine_database(part: str, url: str, modules: Sequence[Module]) -> list[Finding]:
    """One database, which is not changed."""
    if not modules:
        return []
    found = examine_sqlite(part, url) if url.startswith("sqlite") else await examine_postgresql(part, url)
    return found if any(one.wrong for one in found) else [*found, await asyncio.to_thread(tables, part, url, modules)]


def tables(part: str, url: str, modules: Sequence[Module]) -> Finding:
    """Whether it has the tables that its modules need."""
    with open_schema(url, writing=False) as schema:
        lines = [line for one in modules for line in schema.run(one.name, partial(missing, one))] if schema else ["all"]
    why = "craton run applies what is missing; before craton serve, craton migrate does" if lines else ""
    return Finding(part, "migrations", f"to apply: {'; '.join(lines)}" if lines else "all are applied", why)


def examine_sqlite(part: str, url: str) -> list[Finding]:
    """A file."""
    path = file_of(url)
    engine = Finding(
        part, "engine", f"SQLite {sqlite3.sqlite_version}",
        "one process per file: replicas of a service need PostgreSQL (--database)",
    )
    if not path.exists():
        return [engine, Finding(part, "file", f"{path}: not there yet", "craton run, or craton migrate, makes it")]
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    except sqlite3.Error as error:
        return [engine, Finding(part, "file", f"{path}: {error}", "restore it from a backup, or move it away", True)]
    return [engine, Finding(
        part, "durability", f"{path}: journal {mode}, synchronous FULL",
        "what was answered is on disk; commits that come together share one write",
    )]


async def examine_postgresql(part: str, url: str) -> list[Finding]:
    """A server."""
    try:
        found = await settings_of(url)
    except (OSError, TimeoutError, CratonError) as error:
        why = "start it, or mend the URL of --database; craton migrate makes what is missing"
        return [Finding(part, "engine", f"PostgreSQL: {error or type(error).__name__}", why, True)]
    safe = found["fsync"] == "on" and found["synchronous_commit"] != "off"
    return [
        Finding(
            part, "engine", f"PostgreSQL {found['server_version']}",
            "commands are SERIALIZABLE, and re-run where they conflict",
        ),
        Finding(
            part, "durability", f"fsync {found['fsync']}, synchronous_commit {found['synchronous_commit']}",
            "what was answered is on disk" if safe else "what was answered may be lost: set both to on", not safe,
        ),
        Finding(part, "connections", f"{found['max_connections']} at most", "each process keeps a pool of its own"),
    ]


async def settings_of(url: str) -> dict[str, Any]:
    """What a server says of itself. OSError where it cannot be reached or opened."""
    import asyncpg

    try:
        connection = await asyncpg.connect(url, timeout=OPENED_WITHIN)
    except asyncpg.PostgresError as error:
        raise OSError(str(error)) from error
    names = ("server_version", "fsync", "synchronous_commit", "max_connections")
    try:
        return {name: await connection.fetchval(f"SHOW {name}") for name in names}
    finally:
        await connection.close(timeout=OPENED_WITHIN)

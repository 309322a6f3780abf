"""A PostgreSQL server for benchmarks: the one of the tests, but durable, and checked to be."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from tests import postgresql

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
SETTINGS = {**DURABLE, "autovacuum": "on", "shared_buffers": "128MB"}
DURABILITY = ", ".join(f"{name}={value}" for name, value in SETTINGS.items())


def version() -> str:
    """The version of PostgreSQL that is installed."""
    try:
        program = postgresql.programs() / "postgres"
    except RuntimeError:
        return "(not installed)"
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[2]


@contextmanager
def running() -> Iterator[postgresql.Server]:
    """A server, removed with its files at the end."""
    postgresql.OPTIONS.update(SETTINGS)  # every server that this process starts is durable
    yield from postgresql.serve()


@asynccontextmanager
async def server(*names: str) -> AsyncIterator[str]:
    """The URL of a durable server with these databases."""
    with running() as found:
        connection = await asyncpg.connect(f"{found.url}/postgres")
        try:
            for setting, value in DURABLE.items():
                told = await connection.fetchval(f"SHOW {setting}")
                assert told == value, f"{setting} is {told}: a benchmark without durability means nothing"
            for name in names:
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        yield found.url

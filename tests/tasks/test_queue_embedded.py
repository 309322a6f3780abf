"""Queues of jobs without a broker: the module's own database, SQLite or PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
import pytest

from craton.data.migrations import migrate
from craton.data.schema import metadata_of
from craton.data.tables import tables_of
from tests.tasks.conformance.queues import QueueConformance, queue
from tests.tasks.conformance.yard import yard

__all__ = ["queue"]


@dataclass
class Place:
    """A database, and no broker."""

    database: str | None
    broker: None = None


class TestSQLite(QueueConformance):
    """What every queue does."""

    @pytest.fixture
    def place(self) -> Place:
        """A new file."""
        return Place(None)


class TestPostgreSQL(QueueConformance):
    """What every queue does."""

    @pytest.fixture
    async def place(self, postgresql: str) -> Place:
        """One database for all tests, emptied for each: making one takes a second."""
        url, module = f"{postgresql}/yard", yard.module("yard")
        await migrate(url, [module])
        tables = [*tables_of("yard").metadata.tables, *metadata_of(module).tables]
        connection = await asyncpg.connect(url)
        await connection.execute(f"TRUNCATE {', '.join(f'yard.{table}' for table in tables)} RESTART IDENTITY")
        await connection.close()
        return Place(url)

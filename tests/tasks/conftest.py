"""What the tests of tasks share: the studio on each database, and somebody who acts as its workers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from craton.data.migrations import migrate
from craton.data.schema import metadata_of
from craton.data.tables import tables_of
from craton.testing.start import start
from tests.tasks.desk import Desk
from tests.tasks.studio import studio


@pytest.fixture(params=["sqlite", "postgresql"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """The studio's controller, which hears of nobody but the test."""
    database = None if request.param == "sqlite" else await emptied(request.getfixturevalue("postgresql"))
    async with start(studio, database=database) as running:
        yield Desk(running)


async def emptied(server: str) -> str:
    """One database for all tests, emptied for each: making one takes a second."""
    url, module = f"{server}/studio", studio.module("studio")
    await migrate(url, [module])
    tables = [*tables_of("studio").metadata.tables, *metadata_of(module).tables]
    connection = await asyncpg.connect(url)
    await connection.execute(f"TRUNCATE {', '.join(f'studio.{table}' for table in tables)} RESTART IDENTITY")
    await connection.close()
    return url

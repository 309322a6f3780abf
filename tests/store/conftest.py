"""The stores that the tests of this folder run against: one for each structure, each with a provider of its own."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.store.shop import ORDINARY, STRUCTURES, Shop, Structure, open_shop
from tests.store.unit_simulation import simulated

MEMORY = Path("/dev/shm")


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder, in memory where there is such a place: what a crash of the machine would do is tested elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="craton-store-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


PLACES = [s if s in ORDINARY else pytest.param(s, marks=pytest.mark.chaos) for s in STRUCTURES]


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PLACES, ids=[str(s) for s in STRUCTURES])
async def shop(request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """A running store. Each test brings its own products and customers, and leaves the books in order."""
    structure: Structure = request.param
    database = None
    if structure.engine == "postgresql":
        database = f"{request.getfixturevalue('postgresql')}/store_{secrets.token_hex(4)}"
    with quick_folder() as folder, simulated(folder / "provider") as provider:
        async with open_shop(structure, provider=provider.url, data=folder, database=database) as shop:
            await shop.bank.control(duplicate=0.2, reorder=0.2, withhold=3.0, backoff=2.0)
            yield shop
            await shop.bank.control(reorder=0.0, duplicate=0.0)
            await shop.check(webhooks=True)

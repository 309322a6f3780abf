"""The video applications that the tests of this folder run against: one for each structure."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.video.cinema import ORDINARY, STRUCTURES, Cinema, Structure, open_cinema
from tests.video.films import Film, make_film

MEMORY = Path("/dev/shm")
PLACES = [s if s in ORDINARY else pytest.param(s, marks=pytest.mark.chaos) for s in STRUCTURES]


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder, in memory where there is such a place: what a crash of the machine would do is tested elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="craton-video-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def quick() -> Iterator[Path]:
    """Such a folder for one test."""
    with quick_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def film() -> Iterator[Film]:
    """A film of a few seconds, as transcoding would make it."""
    with quick_folder() as folder:
        yield make_film(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=PLACES, ids=[str(s) for s in STRUCTURES])
async def cinema(request: pytest.FixtureRequest) -> AsyncIterator[Cinema]:
    """A running application. Each test brings its own people and videos."""
    structure: Structure = request.param
    database = None
    if structure.engine == "postgresql":
        database = f"{request.getfixturevalue('postgresql')}/video_{secrets.token_hex(4)}"
    with quick_folder() as folder:
        async with open_cinema(structure, data=folder, database=database) as cinema:
            yield cinema

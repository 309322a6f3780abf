"""The SQLite store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.conformance import StoreConformance


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.db"


class TestSQLite(StoreConformance):
    """The file of one process."""

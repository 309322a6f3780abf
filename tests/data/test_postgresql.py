"""The PostgreSQL store."""

from __future__ import annotations

from itertools import count

import pytest

from tests.data.conformance import StoreConformance

numbers = count()


@pytest.fixture
def url(postgresql: str) -> str:
    return f"{postgresql}/data{next(numbers)}"


class TestPostgreSQL(StoreConformance):
    """A database of its own for each test."""

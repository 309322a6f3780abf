"""The store on PostgreSQL, some of it in two replicas, struck at some of its failpoints."""

from __future__ import annotations

import pytest

from tests.lab.trying import sample


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time-out of the payment provider that does not make a long test of it."""
    monkeypatch.setenv("CRATON_PAYMENTS_TIMEOUT", "1")


@pytest.mark.timeout(600)
async def test_whatever_befalls_a_service_on_postgresql_at_a_failpoint_all_books_are_right(postgresql: str) -> None:
    await sample("hybrid", 12, database=f"{postgresql}/crash")


@pytest.mark.timeout(600)
async def test_what_befalls_one_of_two_replicas_leaves_all_books_right(postgresql: str) -> None:
    await sample("hybrid", 8, database=f"{postgresql}/twice", package="tests.acceptance.replicated")

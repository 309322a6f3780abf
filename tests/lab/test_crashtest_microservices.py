"""The store as microservices on SQLite, struck at some of their failpoints."""

from __future__ import annotations

import pytest

from tests.lab.trying import sample


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time-out of the payment provider that does not make a long test of it."""
    monkeypatch.setenv("CRATON_PAYMENTS_TIMEOUT", "1")


@pytest.mark.timeout(600)
async def test_whatever_befalls_a_microservice_at_a_failpoint_all_books_are_right() -> None:
    await sample("microservices", 16)

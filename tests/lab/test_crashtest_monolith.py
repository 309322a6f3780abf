"""The store as a monolith on SQLite, struck at some of its failpoints."""

from __future__ import annotations

import pytest

from craton.lab.crashtest import opened
from craton.lab.crashtest_report import failpoints
from craton.lab.crashtest_setting import Setting
from tests.lab.trying import sample


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time-out of the payment provider that does not make a long test of it."""
    monkeypatch.setenv("CRATON_PAYMENTS_TIMEOUT", "1")


@pytest.mark.timeout(300)
async def test_the_scenario_comes_to_every_failpoint_of_the_framework() -> None:
    async with opened(Setting(package="apps.store", topology="monolith")) as test:
        assert await test.act(None) == []
        of_jobs = {name for name in failpoints() if name.startswith("W")}  # the store has none
        assert {place.point for place in test.control.seen} == set(failpoints()) - of_jobs


@pytest.mark.timeout(600)
async def test_whatever_befalls_a_monolith_at_a_failpoint_its_books_are_right() -> None:
    await sample("monolith", 18)

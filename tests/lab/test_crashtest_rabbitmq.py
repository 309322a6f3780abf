"""The store's services, whose events go over RabbitMQ, struck at some of their failpoints."""

from __future__ import annotations

import pytest

from tests.lab.trying import sample
from tests.rabbitmq import Server


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time-out of the payment provider that does not make a long test of it."""
    monkeypatch.setenv("CRATON_PAYMENTS_TIMEOUT", "1")


@pytest.mark.timeout(600)
async def test_whatever_befalls_a_service_at_a_failpoint_the_broker_loses_nothing(rabbitmq: Server) -> None:
    await sample("hybrid", 6, broker=rabbitmq.url)

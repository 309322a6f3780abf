"""What events promise, in every structure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from craton.testing.start import Running, start
from tests.messages.mail.application import mail
from tests.messages.mail.contracts import Learner, Orders, Seen, Teller
from tests.messages.mail.modules import BROKEN

STRUCTURES = [("monolith", "local"), ("monolith", "wire"), ("microservices", "local"), ("microservices", "wire")]


@pytest.fixture(params=STRUCTURES, ids=lambda s: "-".join(s))
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    topology, link = request.param
    BROKEN.clear()
    async with start(mail, topology=topology, link=link) as running:
        yield running


async def become(wanted: Any, look: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> None:
    """Wait until a look shows what is wanted."""
    until, found = asyncio.get_running_loop().time() + seconds, await look()
    while found != wanted and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.01)
        found = await look()
    assert found == wanted


async def test_each_subscriber_applies_an_event_once(running: Running) -> None:
    await running.get(Orders).place("o-1", (1,))
    await become((Seen("o-1", "placed 1"),), running.get(Learner).learned)
    await become((Seen("o-1", "placed 1"),), running.get(Teller).told)

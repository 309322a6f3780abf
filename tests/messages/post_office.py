"""What the tests of events share: the mail application in its structures, and looks into its tables."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Executable, select

from craton.data.store import transact
from craton.data.tables import tables_of
from craton.messages import letters
from craton.messages import relay as relaying
from craton.messages.letters import Letters
from craton.messages.receiver import Receiver
from craton.messages.relay import Relay
from craton.messages.transport import Message
from craton.run.process import Process
from craton.testing.start import Running, start
from tests.messages.mail.application import mail
from tests.messages.mail.contracts import Learner, Seen, Teller
from tests.messages.mail.modules import ASKING, BROKEN, CLUMSY, SLOW

STRUCTURES = [
    ("monolith", "local", "sqlite"), ("monolith", "wire", "sqlite"), ("microservices", "local", "sqlite"),
    ("microservices", "wire", "sqlite"), ("monolith", "local", "postgresql"), ("microservices", "wire", "postgresql"),
]
NUMBERS = count(1)


@pytest.fixture(params=STRUCTURES, ids=lambda s: "-".join(s))
async def running(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """The application in each structure; letters are tried again soon."""
    topology, link, engine = request.param
    database = f"{request.getfixturevalue('postgresql')}/mail{next(NUMBERS)}" if engine == "postgresql" else None
    impatient(monkeypatch)
    async with start(mail, topology=topology, link=link, database=database) as running:
        yield running


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing breaks yet, and letters are tried again soon."""
    for switch in (BROKEN, SLOW, ASKING, CLUMSY):
        switch.clear()
    monkeypatch.setattr(letters, "FIRST", 0.05)
    monkeypatch.setattr(letters, "POLL", 0.05)
    monkeypatch.setattr(relaying, "SELDOM", relaying.POLL)  # tests write behind its back


async def become(wanted: Any, look: Callable[[], Awaitable[Any]], seconds: float = 20.0) -> None:
    """Wait until a look shows what is wanted."""
    until, found = asyncio.get_running_loop().time() + seconds, await look()
    while found != wanted and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.01)
        found = await look()
    assert found == wanted, f"{found} is not {wanted}"


def host(running: Running, module: str) -> Process:
    """The process that hosts a module."""
    return next(p for p in running.processes.values() if module in p.hosted)


def receiver(running: Running, module: str) -> Receiver:
    """What takes events for a module."""
    return host(running, module).post.receivers[module]


def letters_of(running: Running, module: str) -> Letters:
    """The letters of a module."""
    return receiver(running, module).letters


def relay(running: Running) -> Relay:
    """What brings the events of orders to others."""
    return host(running, "orders").post.relays["orders"]


async def rows(running: Running, module: str, table: str) -> list[dict[str, Any]]:
    """All rows of one of the framework's tables."""
    found = await host(running, module).store.read(module, select(getattr(tables_of(module), table)))
    return [dict(row) for row in found.mappings()]


def like(**changes: Any) -> Message:
    """A message as orders would send it, with changes."""
    first = Message("event-x", "orders", "order=o-1", 1, "Placed", 1, '{"order":"o-1","number":7}', "", time.time())
    return replace(first, **changes)


async def give(running: Running, *batch: Message, module: str = "learner") -> list[str]:
    """Bring messages to a module; the verdicts, with the number that is expected where it is too early."""
    verdicts = await receiver(running, module).receive(batch)
    return [f"early {v.expected}" if v.status == "early" else v.status for v in verdicts]


async def write(running: Running, module: str, statement: Executable) -> None:
    """Change a module's tables behind its back."""
    store = host(running, module).store
    await transact(store, module, lambda unit: unit.execute(module, statement))


async def sent(running: Running) -> bool:
    """Whether all events of orders have been confirmed."""
    return {row["status"] for row in await rows(running, "orders", "outbox")} == {"sent"}


async def statuses(running: Running, module: str) -> list[tuple[str, str]]:
    """The letters of a module: subscriber and status, in the order of their streams."""
    found = await letters_of(running, module).list()
    return [(letter.subscriber, letter.status) for letter in sorted(found, key=lambda x: (x.stream, x.sequence))]


def learned(running: Running, order: str) -> Callable[[], Awaitable[list[str]]]:
    """What the learner has seen of an order."""
    return lambda: texts(running.get(Learner).learned(), order)


def told(running: Running, order: str) -> Callable[[], Awaitable[list[str]]]:
    """What the teller has seen of an order."""
    return lambda: texts(running.get(Teller).told(), order)


async def texts(looking: Awaitable[tuple[Seen, ...]], order: str) -> list[str]:
    """What was written down of an order, in order."""
    return [seen.text for seen in await looking if seen.stream == order]

"""Doorbells, and queues of jobs, over RabbitMQ."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import aiormq
import pytest

from craton.messages.brokers import rabbitmq as client
from craton.tasks.doorbells import line, rabbitmq_ear
from tests.messages.cable import Cable
from tests.rabbitmq import Server
from tests.tasks.conformance.doorbells import DoorbellConformance, patience
from tests.tasks.conformance.queues import RungQueueConformance, queue

__all__ = ["patience", "queue"]
NUMBERS = itertools.count()


class Place:
    """A server that is reached by a cable."""

    def __init__(self, cable: Cable, server: Server) -> None:
        self.cable, self.server = cable, server
        self.broker = self.url = f"amqp://guest:guest@127.0.0.1:{cable.port}/"
        self.application, self.database = f"bell{next(NUMBERS)}", None

    async def away(self) -> None:
        """Pull it out."""
        await self.cable.pull()

    async def again(self) -> None:
        """Put it in."""
        await self.cable.plug()

    async def delete(self, queue: str) -> None:
        """As an operator does."""
        await self.delete_all(f"{self.application}.jobs.{queue}")

    async def delete_all(self, *names: str) -> None:
        """Delete queues, some of which may not be there."""
        connection = await aiormq.connect(self.server.url)
        channel = await connection.channel()
        for name in names:
            await channel.queue_delete(name)
        await connection.close()


@pytest.fixture
async def place(rabbitmq: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """Somewhere new."""
    for module in (line, rabbitmq_ear):
        monkeypatch.setattr(module, "LONGEST_PAUSE", 0.3)
    monkeypatch.setattr(client, "CONFIRMED_WITHIN", 2.0)
    async with Cable(rabbitmq.port) as cable:
        yield Place(cable, rabbitmq)


class TestRabbitMQ(DoorbellConformance):
    """What every doorbell does."""


class TestQueue(RungQueueConformance):
    """What every queue of jobs does."""

    @pytest.fixture
    async def place(self, place: Place) -> Place:
        """The yard's, with nothing left of earlier tests."""
        place.application = "yard"
        await place.delete_all("yard.jobs.yard", "yard.jobs.pit", "yard.dead.jobs")
        return place

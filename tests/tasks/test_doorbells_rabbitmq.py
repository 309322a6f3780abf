"""Doorbells, and queues of jobs, over RabbitMQ."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import aiormq
import pytest
from aiormq.exceptions import AMQPError

from craton.errors import NotRun
from craton.messages.brokers.rabbitmq_server import server_of
from craton.tasks.doorbell import Redriven, doorbell_at
from craton.tasks.doorbells import line, rabbitmq_ear
from craton.tasks.doorbells import rabbitmq as doorbells
from craton.tasks.doorbells.rabbitmq import QUEUE, RabbitMQ
from tests.messages.cable import Cable
from tests.rabbitmq import Server
from tests.tasks.conformance.doorbells import DoorbellConformance, event, events, hear, hear_all, patience, rung, silent
from tests.tasks.conformance.queues import RungQueueConformance, eventually, queue

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
    monkeypatch.setattr(doorbells, "CONFIRMED_WITHIN", 2.0)
    monkeypatch.setattr(rabbitmq_ear, "OPENED_WITHIN", 2.0)
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


async def test_what_was_confirmed_outlives_a_server_that_is_killed(place: Place, rabbitmq: Server) -> None:
    async with doorbell_at(place.url, application=place.application) as bell:
        await bell.ring("q", events(5))
        listening = bell.listen(["q"], 5)
        (first,) = await hear(listening, 1)  # and not acknowledged
        await asyncio.sleep(1.5)  # a queue that is killed within a second of being made never has a leader again (3.10)
        await asyncio.to_thread(rabbitmq.stop)
        with pytest.raises(NotRun):
            await bell.ring("q", [event(6)])
        await asyncio.to_thread(rabbitmq.start)
        await first.ack()  # of a connection that is gone: it rings again
        await rung(bell, "q", [event(5)])
        assert set(await hear_all(listening, 6, seconds=40)) == set(events(6))


async def test_what_comes_back_too_often_lies_with_the_dead_letters(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(QUEUE, "x-delivery-limit", 3)
    async with doorbell_at(place.url, application=place.application) as bell:
        await bell.ring("q", events(1))
        listening = bell.listen(["q"], 1)
        for _ in range(4):
            (held,) = await hear(listening, 1)
            await held.back()
        assert await silent(listening)
        assert await bell.redrive() == Redriven(moved=1, stayed=0)
        assert await hear_all(listening, 1) == events(1)


async def test_a_letter_that_nobody_can_read_stays_with_the_dead_letters(place: Place) -> None:
    async with doorbell_at(place.url, application=place.application) as bell:
        await bell.ring("q", events(1))
        connection = await aiormq.connect(place.server.url)
        channel = await connection.channel()
        await channel.basic_publish(b"nonsense", routing_key=f"{place.application}.dead.jobs")
        await connection.close()

        async def stayed() -> bool:
            return await bell.redrive() == Redriven(moved=0, stayed=1)

        for _ in range(2):
            await eventually(stayed)


async def test_a_server_short_of_memory_confirms_nothing_and_still_takes_acknowledgements(
    place: Place, rabbitmq: Server
) -> None:
    async with doorbell_at(place.url, application=place.application) as bell:
        await bell.ring("q", events(2))
        listening = bell.listen(["q"], 1)
        (first,) = await hear(listening, 1)
        await asyncio.to_thread(rabbitmq.control, "set_vm_memory_high_watermark", "0.00001")
        try:
            with pytest.raises(NotRun):
                await bell.ring("q", [event(3)])
            await first.ack()
            assert len(await hear_all(listening, 1)) == 1
        finally:
            await asyncio.to_thread(rabbitmq.control, "set_vm_memory_high_watermark", "0.4")
        await rung(bell, "q", [event(4)])


@pytest.mark.parametrize(("version", "priorities", "mebibytes"), [
    ("3.10.8", 1, 128), ("3.13.7-rc.1", 1, 128), ("4.0.5", 2, 16), ("4.2.1", 2, 16), ("4.3.0", 32, 16), ("5.0", 32, 16),
])
def test_what_a_server_can_do_follows_from_its_version(version: str, priorities: int, mebibytes: int) -> None:
    server = server_of({"version": version})
    assert (server.priorities, server.largest) == (priorities, mebibytes << 20)


def test_a_server_that_is_too_old_is_refused() -> None:
    with pytest.raises(AMQPError, match=r"3\.9\.29; Craton needs 3\.10"):
        server_of({"version": b"3.9.29"})


@pytest.mark.parametrize(("version", "levels"), [
    ("3.10.8", [None, None, None]), ("4.1.0", [4, 4, 5]), ("4.3.0", [2, 4, 9]),
])
async def test_priorities_are_told_in_the_levels_that_the_server_has(version: str, levels: list[int | None]) -> None:
    bell = RabbitMQ("amqp://localhost", "film")
    bell.rings.server = server_of({"version": version})
    assert [bell.priority(wanted) for wanted in (-2, 0, 5)] == levels
    bell.rings.server = server_of({"version": "4.3.0"})
    assert [bell.priority(wanted) for wanted in (-100, 100)] == [0, 31]

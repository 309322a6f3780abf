"""What the broker itself does, between a sender and a receiver that a test plays."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import aiormq
import pytest

from craton.errors import NotRun
from craton.messages.brokers import rabbitmq_queue
from craton.messages.brokers.rabbitmq import RabbitMQ
from craton.messages.transport import LATER, TAKEN, Message, Verdict
from craton.sources import SystemClock, SystemIds
from tests.messages.post_office import become
from tests.rabbitmq import Server


class Reader:
    """A receiver: takes what comes in order, and asks for what is missing."""

    def __init__(self) -> None:
        self.taken: dict[str, list[int]] = defaultdict(list)
        self.missed: list[tuple[str, str, int]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def receive(self, batch: Sequence[Message]) -> list[Verdict]:
        return [await self.take(message) for message in batch]

    async def take(self, message: Message) -> Verdict:
        await self.free.wait()
        taken = self.taken[message.stream]
        if message.sequence > len(taken) + 1:
            return Verdict("early", len(taken) + 1)
        if message.sequence == len(taken) + 1:
            taken.append(message.sequence)
        return TAKEN

    async def resend(self, destination: str, stream: str, first: int) -> None:
        self.missed.append((destination, stream, first))


def message(stream: str, number: int, body: str = "{}") -> Message:
    """An event."""
    return Message(
        id=f"{stream}-{number}", source="desk", stream=stream, sequence=number, type="Placed", version=1, body=body,
        trace="", created=1.5,
    )


def at(server: Server, service: str) -> RabbitMQ:
    """A process at the server."""
    modules = ("desk", "crowd")
    return RabbitMQ(server.url, "ward", modules=modules, service=service, clock=SystemClock(), ids=SystemIds())


@pytest.fixture
async def sender(rabbitmq: Server) -> AsyncIterator[RabbitMQ]:
    """The process that publishes; nothing is left of earlier tests."""
    connection = await aiormq.connect(rabbitmq.url)
    channel = await connection.channel()
    for queue in ("ward.desk", "ward.crowd"):
        await channel.queue_delete(queue)
    await connection.close()
    async with at(rabbitmq, "sender") as sender:
        await sender.connected.wait()
        yield sender


async def reading(broker: RabbitMQ, reader: Reader, module: str = "crowd") -> asyncio.Task[None]:
    """Begin to consume; returns once the queue is there."""
    task = asyncio.ensure_future(broker.consume(module, reader.receive, reader.resend))
    await broker.connected.wait()
    await become(True, lambda: consumed(broker, f"ward.{module}"))
    return task


async def consumed(broker: RabbitMQ, queue: str) -> bool:
    """Whether a queue is there, and somebody consumes it."""
    assert broker.takes
    if not await broker.has(queue):
        return False
    channel = await broker.takes.channel()
    declared = await channel.queue_declare(queue, passive=True)
    await channel.close()
    return bool(declared.consumer_count)


async def stopped(*tasks: asyncio.Task[None]) -> None:
    """They have stopped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_of_two_replicas_one_takes_and_the_other_goes_on_in_order_where_it_stopped(
    sender: RabbitMQ, rabbitmq: Server
) -> None:
    first, second = Reader(), Reader()
    second.taken = first.taken  # they share a database
    async with at(rabbitmq, "one") as one, at(rabbitmq, "two") as two:
        reading_first = await reading(one, first)
        reading_second = await reading(two, second)
        await sender.send("crowd", [message("a", n) for n in range(1, 6)])

        async def taken() -> list[int]:
            return first.taken["a"]

        await become([1, 2, 3, 4, 5], taken)
        first.free.clear()
        await sender.send("crowd", [message("a", n) for n in range(6, 200)])
        await asyncio.sleep(0.2)
        assert first.taken["a"] == [1, 2, 3, 4, 5]
        await stopped(reading_first)
        await become(list(range(1, 200)), taken)
        assert second.missed == [] and first.missed.count(("crowd", "a", 6)) == 0
        await stopped(reading_second)


async def test_messages_that_came_too_early_hold_up_no_other_stream(
    sender: RabbitMQ, rabbitmq: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbitmq_queue, "PREFETCH", 10)
    crowd, desk = Reader(), Reader()
    async with at(rabbitmq, "receiver") as receiver:
        tasks = [await reading(receiver, crowd), await reading(sender, desk, "desk")]
        await sender.send("crowd", [message("a", n) for n in range(2, 60)])
        await sender.send("crowd", [message("b", n) for n in range(1, 60)])

        async def taken() -> dict[str, list[int]]:
            return {stream: numbers for stream, numbers in crowd.taken.items() if numbers}

        await become({"b": list(range(1, 60))}, taken)
        assert ("crowd", "a", 1) in desk.missed
        await sender.send("crowd", [message("a", n) for n in range(1, 60)])  # as the source would
        await become({"b": list(range(1, 60)), "a": list(range(1, 60))}, taken)
        await stopped(*tasks)


async def test_what_is_too_large_holds_up_its_stream_alone(sender: RabbitMQ, rabbitmq: Server) -> None:
    crowd = Reader()
    async with at(rabbitmq, "receiver") as receiver:
        task = await reading(receiver, crowd)
        sender.largest = 1000
        large = message("a", 1, body=f'{{"text": "{"x" * 1000}"}}')
        assert await sender.send("crowd", [large, message("a", 2), message("b", 1)]) == [LATER, LATER, TAKEN]
        await stopped(task)


async def test_what_cannot_be_confirmed_is_not_taken(sender: RabbitMQ) -> None:
    with pytest.raises(NotRun, match="it has no queue for them"):
        await sender.send("crowd", [message("a", 1), message("a", 2)])

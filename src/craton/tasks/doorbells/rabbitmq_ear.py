"""One worker that listens at a RabbitMQ server: what comes is acknowledged, or given back, by its own channel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Self

from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError

from craton.calls.retry import Backoff
from craton.errors import NotRun
from craton.messages.brokers.rabbitmq import LONGEST_PAUSE, OPENED_WITHIN, apart, close
from craton.tasks.doorbells.arrivals import Arrivals
from craton.tasks.doorbells.line import Line

LOST = (AMQPError, ChannelInvalidStateError, OSError)  # what it was held by is gone: it rings again


class RabbitBell:
    """One delivery."""

    __slots__ = ("channel", "event", "tag")

    def __init__(self, delivered: DeliveredMessage) -> None:
        assert delivered.delivery_tag is not None
        self.event, self.channel, self.tag = delivered.body, delivered.channel, delivered.delivery_tag

    async def ack(self) -> None:
        """Forget it."""
        with suppress(*LOST):
            await self.channel.basic_ack(self.tag, wait=False)

    async def back(self) -> None:
        """Put it into its queue again."""
        with suppress(*LOST):
            await self.channel.basic_nack(self.tag, requeue=True, wait=False)

    async def bury(self) -> None:
        """Put it among the dead letters."""
        with suppress(*LOST):
            await self.channel.basic_reject(self.tag, requeue=False, wait=False)


class Ear:
    """Consumes while its worker has slots free, and not while it has none: the server sends ahead, up to `room`."""

    def __init__(
        self, line: Line, queues: Mapping[str, str], *, room: int,
        declare: Callable[[AbstractChannel, str], Awaitable[None]],
    ) -> None:
        self.line, self.queues, self.room, self.declare = line, queues, room, declare
        self.arrivals: Arrivals[RabbitBell] = Arrivals()
        self.consuming: AbstractChannel | None = None
        self.tags: list[str] = []
        self.over: asyncio.Task[None] = asyncio.get_running_loop().create_task(self.run(), name="rabbitmq ear")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RabbitBell:
        return await self.arrivals.get()

    def more(self, most: int) -> list[RabbitBell]:
        """Up to `most` that have come, without waiting."""
        return self.arrivals.more(most)

    async def aclose(self) -> None:
        """Listen no more. The channel stays, for what was given out."""
        self.arrivals.close()
        self.over.cancel()
        await asyncio.gather(self.over, return_exceptions=True)

    async def run(self) -> None:
        """Listen, until cancelled."""
        backoff, told = Backoff(most=LONGEST_PAUSE), self.line.told
        while True:
            await self.arrivals.wanted.wait()
            await self.line.ready()
            error = await apart(self.session(backoff))
            if self.line.connection:
                told.bad(error or NotRun("it was deleted"), f"RabbitMQ, queues {', '.join(self.queues)}")
            await asyncio.sleep(backoff.pause())

    async def session(self, backoff: Backoff) -> None:
        """Listen for as long as the channel and the queues last."""
        channel, gone = await self.open()
        self.line.told.good(f"RabbitMQ, queues {', '.join(self.queues)}")
        backoff.tries = 0
        try:
            while not gone.done():
                await self.begin(channel)
                await either(gone, self.arrivals.unwanted())
                if not gone.done():
                    await self.stop(channel)
                    await either(gone, self.arrivals.wanted.wait())
        finally:
            await self.end(channel)

    async def open(self) -> tuple[AbstractChannel, asyncio.Future[None]]:
        """A channel on which the queues are declared, and what becomes done when it or one of them is gone."""
        connection = await self.line.ready()
        async with asyncio.timeout(OPENED_WITHIN):
            channel = await connection.channel(publisher_confirms=False)
            for queue in self.queues:
                await self.declare(channel, queue)
            await channel.basic_qos(prefetch_count=self.room)
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def end(_: object) -> None:
            if not gone.done():
                gone.set_result(None)

        channel.closing.add_done_callback(end)
        channel.on_consumer_cancel_callbacks.add(end)
        return channel, gone

    async def begin(self, channel: AbstractChannel) -> None:
        """Let the server send."""
        self.consuming = channel
        async with asyncio.timeout(OPENED_WITHIN):  # a queue without a leader says nothing
            for name in self.queues.values():
                consumed = await channel.basic_consume(name, self.deliver)
                self.tags.append(str(consumed.consumer_tag))

    async def deliver(self, message: DeliveredMessage) -> None:
        """One has come."""
        bell = RabbitBell(message)
        if self.consuming is message.channel:
            self.arrivals.put(bell)
        else:
            await bell.back()

    async def stop(self, channel: AbstractChannel) -> None:
        """Let the server send no more, and give back what nobody has asked for."""
        self.consuming, tags = None, self.tags
        self.tags = []
        async with asyncio.timeout(OPENED_WITHIN):
            for tag in tags:
                await channel.basic_cancel(tag)
        await self.arrivals.give_back()

    async def end(self, channel: AbstractChannel) -> None:
        """The channel is gone, or is left."""
        if self.arrivals.closed:
            with suppress(*LOST, TimeoutError):
                return await self.stop(channel)
        self.consuming, self.tags = None, []
        await self.arrivals.give_back()
        await close(channel)


async def either(gone: asyncio.Future[None], other: Coroutine[Any, Any, object]) -> None:
    """Wait for one of them."""
    waiting: asyncio.Future[Any] = asyncio.ensure_future(other)
    try:
        await asyncio.wait((gone, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()

"""Doorbells over RabbitMQ: a quorum queue for each queue of jobs; rings are confirmed in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Self, cast

from aiormq import Channel
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic
from yarl import URL

from craton.calls.codec import MALFORMED
from craton.errors import NotRun
from craton.messages.brokers.rabbitmq import (
    CONFIRMED_WITHIN,
    LOST,
    OPENED_WITHIN,
    PERSISTENT,
    REFUSED,
    SHORT,
    UNROUTABLE,
    apart,
    blocked,
    close,
    trouble_of,
)
from craton.messages.brokers.rabbitmq_server import Server
from craton.tasks.doorbell import Redriven
from craton.tasks.doorbells.line import Line
from craton.tasks.doorbells.rabbitmq_ear import Ear
from craton.tasks.doorbells.requested import CONTENT_TYPE, attributes_of, short

MADE_WITHIN = 0.2
"""Seconds after which a refusal is believed: a queue that another process is just making refuses, too."""
DELIVERIES = 1000
"""How often a ring comes back to its queue before it goes to the dead letters: it may kill each worker that hears it.

Attempts are counted in jobs' rows. What counts as a delivery differs by version, and 4.x would give up after 20.
"""
QUEUE: dict[str, Any] = {
    "x-queue-type": "quorum", "x-delivery-limit": DELIVERIES, "x-dead-letter-exchange": "",
    "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
}
"""The same for every version, as for events; and `x-dead-letter-routing-key`: the name of the queue of dead letters."""


class RabbitMQ:
    """One process at a RabbitMQ server. What an application has there: a queue `<application>.jobs.<queue>` for each
    queue of jobs, and `<application>.dead.jobs`, for rings that nobody can read. They are sent by the default exchange.

    There are two connections, since a server short of memory or disk no longer reads from one that publishes.
    """

    def __init__(self, url: str, application: str) -> None:
        self.url, self.application, self.dead = URL(url), application, f"{application}.dead.jobs"
        self.rings = Line(self.url, f"{application} rings")
        self.listens = Line(self.url, f"{application} listens")
        self.channels: dict[str, Channel] = {}
        self.opening = asyncio.Lock()
        self.ears: set[Ear] = set()

    async def __aenter__(self) -> Self:
        self.stack = AsyncExitStack()
        for line in (self.rings, self.listens):
            await self.stack.enter_async_context(line)
        return self

    async def __aexit__(self, *error: object) -> None:
        for ear in list(self.ears):
            await ear.aclose()
        await self.stack.aclose()

    def name_of(self, queue: str) -> str:
        """What a queue of jobs is called at the server."""
        return f"{self.application}.jobs.{queue}"

    async def server(self) -> Server:
        """The server, once it is there."""
        await self.rings.ready()
        assert self.rings.server
        return self.rings.server

    # ------------------------------------------------------------------ ringing

    async def ring(self, queue: str, events: Sequence[bytes]) -> None:
        """Publish all, then wait for all confirms. Raises NotRun unless all were confirmed."""
        troubles = await self.send(queue, events)
        if troubles == {REFUSED}:
            await asyncio.sleep(MADE_WITHIN)
            troubles = await self.send(queue, events)
        if troubles:
            raise NotRun(f"RabbitMQ: {min(troubles)}")

    async def send(self, queue: str, events: Sequence[bytes]) -> set[str]:
        """Publish all; why some were not confirmed. NotRun where that cannot be begun."""
        channel = await self.channel(queue)
        if await blocked(channel.connection):
            raise NotRun(SHORT)
        publishing = [asyncio.ensure_future(self.publish(channel, queue, event)) for event in events]
        try:
            await asyncio.wait(publishing, timeout=CONFIRMED_WITHIN)
        finally:
            troubles = {trouble_of(task) for task in publishing} - {""}
            for task in publishing:
                task.cancel()
        await self.mind(queue, channel, troubles)
        return troubles

    async def mind(self, queue: str, channel: AbstractChannel, troubles: set[str]) -> None:
        """Get ready for the next try: find the queue gone, or the connection lost."""
        if UNROUTABLE in troubles:
            self.channels.pop(queue, None)
        if LOST in troubles and not await blocked(channel.connection):
            self.rings.abandon()

    async def channel(self, queue: str) -> Channel:
        """The one for a queue, on which the queue was declared."""
        self.rings.begin()
        async with self.opening:
            channel = self.channels.get(queue)
            if channel is None or channel.is_closed:
                if error := await apart(self.enter(queue)):
                    raise NotRun(f"RabbitMQ is away ({error or type(error).__name__})")
            return self.channels[queue]

    async def enter(self, queue: str) -> None:
        """Declare a queue, and open the channel for it."""
        async with asyncio.timeout(OPENED_WITHIN):
            connection = await self.rings.ready()
            channel = await connection.channel(on_return_raises=True)
            await self.declare(channel, queue)
        self.channels[queue] = cast("Channel", channel)

    async def declare(self, channel: AbstractChannel, queue: str) -> None:
        """Make the queue, and that of its dead letters."""
        await channel.queue_declare(self.dead, durable=True, arguments={"x-queue-type": "quorum"})
        arguments = QUEUE | {"x-dead-letter-routing-key": self.dead}
        await channel.queue_declare(self.name_of(queue), durable=True, arguments=arguments)

    async def publish(self, channel: Channel, queue: str, event: bytes) -> None:
        """Publish one event, and wait for its confirm."""
        told = attributes_of(event)
        properties = Basic.Properties(
            message_id=told.id, message_type=told.type, correlation_id=told.taskid, content_type=CONTENT_TYPE,
            delivery_mode=PERSISTENT, app_id=self.application, priority=self.priority(told.taskpriority),
        )
        await channel.basic_publish(
            short(event), routing_key=self.name_of(queue), properties=properties, mandatory=True, wait=False,
        )

    def priority(self, wanted: int) -> int | None:
        """A job's priority in the levels of this server; None where its queues have none."""
        levels = self.rings.server.priorities if self.rings.server else 1
        return max(0, min(levels - 1, 4 + wanted)) if levels > 2 else (None if levels == 1 else 4 + (wanted > 0))

    # ------------------------------------------------------------------ listening

    def listen(self, queues: Sequence[str], room: int) -> Ear:
        """Listen to queues, for as long as the doorbell is open."""
        ear = Ear(self.listens, {queue: self.name_of(queue) for queue in queues}, room=room, declare=self.declare)
        self.ears.add(ear)
        ear.over.add_done_callback(lambda _: self.ears.discard(ear))
        return ear

    # ------------------------------------------------------------------ dead letters

    async def redrive(self) -> Redriven:
        """Ring again what is among the dead letters; what nobody can read stays. Raises NotRun when it is away."""
        rung: set[str] = set()
        kept: list[bytes] = []
        if error := await apart(self.reread(rung, kept)):
            raise NotRun(f"RabbitMQ: {error or type(error).__name__}") from error
        return Redriven(len(rung), len(kept))

    async def reread(self, rung: set[str], kept: list[bytes]) -> None:
        """Go through the dead letters once: until there are no more, or one comes back that was rung."""
        async with asyncio.timeout(OPENED_WITHIN):
            channel = await (await self.listens.ready()).channel(publisher_confirms=False)
            await channel.queue_declare(self.dead, durable=True, arguments={"x-queue-type": "quorum"})
        try:
            while tag := (letter := await channel.basic_get(self.dead)).delivery_tag:
                try:
                    told = attributes_of(letter.body)
                except (*MALFORMED, ValueError):
                    kept.append(letter.body)
                    continue
                if told.id in rung:
                    return
                await self.ring(told.taskqueue, [letter.body])
                rung.add(told.id)
                await channel.basic_ack(tag)
        finally:
            await close(channel)

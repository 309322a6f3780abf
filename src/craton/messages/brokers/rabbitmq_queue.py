"""One module's queue in RabbitMQ: what has come is acknowledged once it is taken, on the channel that brought it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from aiormq.abc import AbstractChannel, DeliveredMessage

from craton.calls.codec import MALFORMED
from craton.calls.retry import Backoff
from craton.messages.brokers.cloudevents import Missing, decode
from craton.messages.transport import Message, Receive, Resend, Verdict

PREFETCH = 500
"""Messages that the server sends ahead, and the most that one batch has."""
ASKED_AGAIN = 5.0
"""Seconds after which missing events are asked for again."""
Ask = Callable[[str, Missing], Awaitable[bool]]
"""Asks a module to send events again; whether the server has the request."""
Stream = tuple[str, str]
log = logging.getLogger("craton.messages")


class Queue:
    """What came over one channel and is not taken yet. It is dropped with the channel: all of it comes again.

    A queue has one active consumer, so that replicas do not overtake each other within a stream.
    """

    def __init__(self, channel: AbstractChannel, module: str, *, receive: Receive, resend: Resend, ask: Ask) -> None:
        self.channel, self.module = channel, module
        self.receive, self.resend, self.ask = receive, resend, ask
        self.arrived: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()
        self.held: dict[int, Message] = {}
        self.asked: dict[Stream, float] = {}
        self.backoff = Backoff()

    async def consume(self, name: str) -> None:
        """Take what comes until the channel is closed, or the queue deleted."""
        self.channel.closing.add_done_callback(lambda _: self.arrived.put_nowait(None))
        self.channel.on_consumer_cancel_callbacks.add(lambda _: self.arrived.put_nowait(None))
        await self.channel.basic_qos(prefetch_count=PREFETCH)
        await self.channel.basic_consume(name, self.arrived.put)
        while True:
            again = bool(self.held)
            if not await self.fill():
                return
            if self.held:
                await self.give(again=again)

    async def fill(self) -> bool:
        """Wait for messages, or until it is time to give those held again; False when no more will come."""
        try:
            async with asyncio.timeout(self.backoff.pause() if self.held else None):
                arrived = [await self.arrived.get()]
        except TimeoutError:
            return True
        while not self.arrived.empty():
            arrived.append(self.arrived.get_nowait())
        if None in arrived:
            return False
        for delivered in filter(None, arrived):
            await self.unpack(delivered)
        return True

    async def unpack(self, delivered: DeliveredMessage) -> None:
        """Hold a message, carry out a request, and leave anything else to the dead letters."""
        tag = delivered.delivery_tag
        assert tag is not None
        try:
            message = decode(delivered.body)
        except (*MALFORMED, ValueError) as error:
            log.error("%s: a message that nobody can read went to the dead letters: %s", self.module, error)
            await self.channel.basic_reject(tag, requeue=False)
            return
        if isinstance(message, Message):
            self.held[tag] = message
        else:
            await self.resend(message.destination, message.stream, message.first)
            await self.channel.basic_ack(tag)

    async def give(self, *, again: bool) -> None:
        """Give the receiver all that is held, and acknowledge what it took. Where some is given `again`, what it missed
        may have come behind it."""
        batch = list(self.held.items())
        if again:
            batch.sort(key=lambda item: item[1].sequence)
        verdicts = await self.receive([message for _, message in batch])
        judged = {tag: verdict for (tag, _), verdict in zip(batch, verdicts, strict=True)}
        await self.forget([tag for tag, verdict in judged.items() if verdict.status == "taken"])
        await self.mind(self.gaps(judged))

    async def forget(self, tags: list[int]) -> None:
        """Acknowledge messages: by one frame, where nothing older is left."""
        for tag in tags:
            del self.held[tag]
        if tags:
            self.backoff.tries = 0
        several = [max(tags)] if tags and not self.held else tags
        for tag in several:
            await self.channel.basic_ack(tag, multiple=not self.held, wait=False)

    # ------------------------------------------------------------------ what the server has lost

    def gaps(self, judged: Mapping[int, Verdict]) -> dict[Stream, int]:
        """The streams that do not go on with what is held of them, and the number that each goes on with."""
        first: dict[Stream, Verdict] = {}
        for tag, verdict in judged.items():
            if tag in self.held:
                first.setdefault(stream_of(self.held[tag]), verdict)
        return {stream: verdict.expected for stream, verdict in first.items() if verdict.status == "early"}

    async def mind(self, gaps: Mapping[Stream, int]) -> None:
        """Ask the sources for what is missing, now and then until it has come.

        When much is held, it must not keep the server from sending other streams: what was asked for is let go, and
        comes again after what is missing.
        """
        now, many = asyncio.get_running_loop().time(), len(self.held) > PREFETCH // 2
        self.asked = {stream: when for stream, when in self.asked.items() if stream in gaps}
        for stream, expected in gaps.items():
            if not many and now < self.asked.get(stream, 0.0) + ASKED_AGAIN:
                continue
            if await self.miss(stream, expected):
                self.asked[stream] = now
                if many:
                    await self.forget([tag for tag, message in self.held.items() if stream_of(message) == stream])

    async def miss(self, stream: Stream, expected: int) -> bool:
        """Ask the source of one stream; whether it will hear of it."""
        source, name = stream
        log.warning("%s misses %s of %s, from number %d on: it asks for it", self.module, name, source, expected)
        return await self.ask(source, Missing(self.module, name, expected))


def stream_of(message: Message) -> Stream:
    """What a message's number counts within."""
    return message.source, message.stream

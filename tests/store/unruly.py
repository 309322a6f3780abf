"""A transport of events that does all that a transport may do: twice, out of order, late, or without saying so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from craton.messages.transport import LATER, Message, Transport, Verdict
from craton.testing.start import Running

REMEMBERED = 200
"""Messages that may come again."""


class Unruly:
    """In front of another transport."""

    def __init__(self, inner: Transport, chance: random.Random) -> None:
        self.inner, self.chance = inner, chance
        self.past: list[tuple[str, Message]] = []
        self.done = 0

    async def send(self, destination: str, batch: Sequence[Message]) -> Sequence[Verdict]:
        """Bring some of a batch, in some order, and some of what was brought before once more."""
        await asyncio.sleep(self.chance.choice((0, 0, 0.01, 0.05)))
        if self.chance.random() < 0.1:
            raise ConnectionError("lost on the way there")
        order = list(range(len(batch)))
        if self.chance.random() < 0.3:
            self.chance.shuffle(order)
        order = order[:self.chance.randint(1, len(order))]
        verdicts = await self.inner.send(destination, [batch[i] for i in order])
        await self.repeat(destination, [batch[i] for i in order])
        if self.chance.random() < 0.2:
            raise ConnectionError("lost on the way back")
        found = dict(zip(order, verdicts, strict=True))
        return [found.get(i, LATER) for i in range(len(batch))]

    async def repeat(self, destination: str, batch: Sequence[Message]) -> None:
        """Bring once more what was brought a moment, or a while, ago."""
        self.past = [*self.past, *((destination, message) for message in batch)][-REMEMBERED:]
        for place, message in self.chance.sample(self.past, min(3, len(self.past))):
            await self.inner.send(place, [message])
            self.done += 1


@contextmanager
def unruly(running: Running, seed: int) -> Iterator[list[Unruly]]:
    """Events travel badly, for the time of a `with` block."""
    chance = random.Random(seed)
    relays = [relay for process in running.processes.values() if hasattr(process, "post")
              for relay in process.post.relays.values()]
    transports = [relay.transport for relay in relays]
    for relay in relays:
        relay.transport = Unruly(relay.transport, chance)
    try:
        yield [relay.transport for relay in relays if isinstance(relay.transport, Unruly)]
    finally:
        for relay, transport in zip(relays, transports, strict=True):
            relay.transport = transport

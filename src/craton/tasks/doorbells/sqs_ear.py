"""One worker that listens at SQS: it asks by long polls, and hides what it holds from others until it lets go."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, Self

from aiohttp import ClientError as ConnectionTrouble
from botocore.exceptions import BotoCoreError, ClientError

from craton.calls.retry import Backoff
from craton.messages.told import Told
from craton.tasks.doorbells.arrivals import Arrivals

VISIBILITY = 30
"""Seconds for which a ring is nobody else's, unless that is prolonged."""
PROLONGED_EVERY = VISIBILITY / 3
LONG_POLL = 20
"""Seconds that SQS waits for messages to come: the most it does."""
BATCH = 10
LONGEST_PAUSE = 5.0  # seconds between looks for a service that is away
ENDED_WITHIN = 2.0  # seconds for the last acknowledgements
AWAY = (ClientError, BotoCoreError, ConnectionTrouble, OSError, TimeoutError)
"""What the client raises when SQS refuses, cannot be reached, or lacks credentials."""


class Service(Protocol):
    """What an ear needs of the doorbell."""

    client: Any
    region: str
    ears: set[Ear]

    async def address(self, queue: str) -> str:
        """The URL of a queue of jobs."""
        ...

    def forget(self, queue: str) -> None:
        """Look for a queue of jobs again, or make it."""
        ...

    async def bury(self, body: str) -> None:
        """Put a message among the dead letters."""
        ...


class SQSBell:
    """One receipt."""

    __slots__ = ("address", "ear", "event", "receipt")

    def __init__(self, ear: Ear, address: str, message: dict[str, Any]) -> None:
        self.ear, self.address = ear, address
        self.event, self.receipt = message["Body"].encode(), str(message["ReceiptHandle"])

    async def ack(self) -> None:
        """Forget it: with the next batch, for which nobody waits."""
        self.ear.let_go(self, "delete")

    async def back(self) -> None:
        """Let others see it."""
        self.ear.let_go(self, "show")

    async def bury(self) -> None:
        """Put it among the dead letters; while that fails, it rings again."""
        try:
            await self.ear.service.bury(self.event.decode())
        except AWAY as error:
            self.ear.told.bad(error)
            self.ear.let_go(self, "show")
        else:
            self.ear.let_go(self, "delete")


class Ear:
    """Asks while its worker has slots free. `held` is what it has received and not let go."""

    def __init__(self, service: Service, queues: Sequence[str], *, room: int) -> None:
        self.service, self.room = service, room
        self.arrivals: Arrivals[SQSBell] = Arrivals()
        self.held: set[SQSBell] = set()
        self.going: list[tuple[SQSBell, str]] = []
        self.released, self.leaving = asyncio.Event(), asyncio.Event()
        self.told = Told(f"SQS in {service.region}")
        self.polls = [self.spawn(self.poll(queue)) for queue in queues] + [self.spawn(self.idle())]
        self.duties = [self.spawn(self.prolong()), self.spawn(self.flush())]

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do it beside the others."""
        return asyncio.get_running_loop().create_task(work, name="sqs ear")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SQSBell:
        return await self.arrivals.get()

    def more(self, most: int) -> list[SQSBell]:
        """Up to `most` that have come, without waiting."""
        return self.arrivals.more(most)

    async def aclose(self) -> None:
        """Listen no more. What was given out is still prolonged, and can be acknowledged."""
        self.arrivals.close()
        await cancel(self.polls)
        await self.arrivals.give_back()

    async def end(self) -> None:
        """The doorbell closes: say what there is to say, and be gone."""
        await self.aclose()
        for bell in list(self.held):
            await bell.back()
        await cancel(self.duties)
        try:
            async with asyncio.timeout(ENDED_WITHIN):
                await self.tell()
        except AWAY as error:
            self.told.bad(error)
        self.service.ears.discard(self)

    # ------------------------------------------------------------------ what comes

    async def poll(self, queue: str) -> None:
        """Ask for what is in one queue, for ever."""
        backoff = Backoff(most=LONGEST_PAUSE)
        while True:
            await self.arrivals.wanted.wait()
            while len(self.held) >= self.room:
                self.released.clear()
                await self.released.wait()
            try:
                await self.receive(queue)
                backoff.tries = 0
                self.told.good()
            except AWAY as error:
                self.service.forget(queue)  # it may have been deleted
                self.told.bad(error)
                await asyncio.sleep(backoff.pause())

    async def receive(self, queue: str) -> None:
        """Wait for messages, LONG_POLL at most."""
        address = await self.service.address(queue)
        answer = await self.service.client.receive_message(
            QueueUrl=address, MaxNumberOfMessages=min(BATCH, self.room - len(self.held)), WaitTimeSeconds=LONG_POLL,
            VisibilityTimeout=VISIBILITY,
        )
        for message in answer.get("Messages", ()):
            bell = SQSBell(self, address, message)
            self.held.add(bell)
            if self.arrivals.wanted.is_set():
                self.arrivals.put(bell)
            else:
                await bell.back()

    async def idle(self) -> None:
        """Give back what waits for a worker whose slots are taken."""
        while True:
            await self.arrivals.wanted.wait()
            await self.arrivals.unwanted()
            await self.arrivals.give_back()

    # ------------------------------------------------------------------ what is held

    async def prolong(self) -> None:
        """Keep what is held from others, whether or not its worker has asked for it yet."""
        while True:
            await asyncio.sleep(PROLONGED_EVERY)
            try:
                await self.change(list(self.held), VISIBILITY)
            except AWAY as error:
                self.told.bad(error)

    def let_go(self, bell: SQSBell, how: str) -> None:
        """It is no longer held: "delete" it, or "show" it to others."""
        if bell in self.held:
            self.held.discard(bell)
            self.going.append((bell, how))
            self.released.set()
            self.leaving.set()

    async def flush(self) -> None:
        """Tell what was let go, as much at a time as there is."""
        while True:
            await self.leaving.wait()
            self.leaving.clear()
            try:
                await self.tell()
            except AWAY as error:  # it comes again when its time is up
                self.told.bad(error)

    async def tell(self) -> None:
        """Tell what was let go."""
        going, self.going = self.going, []
        await self.change([bell for bell, how in going if how == "show"], 0)
        for address, batch in parts([bell for bell, how in going if how == "delete"]):
            entries = [{"Id": str(n), "ReceiptHandle": bell.receipt} for n, bell in enumerate(batch)]
            await self.service.client.delete_message_batch(QueueUrl=address, Entries=entries)

    async def change(self, bells: list[SQSBell], seconds: int) -> None:
        """Hide messages for so long from now on."""
        for address, batch in parts(bells):
            entries = [
                {"Id": str(n), "ReceiptHandle": bell.receipt, "VisibilityTimeout": seconds}
                for n, bell in enumerate(batch)
            ]
            await self.service.client.change_message_visibility_batch(QueueUrl=address, Entries=entries)


def parts(bells: Sequence[SQSBell]) -> list[tuple[str, list[SQSBell]]]:
    """By queue, and in parts that SQS takes at once."""
    queues: dict[str, list[SQSBell]] = {}
    for bell in bells:
        queues.setdefault(bell.address, []).append(bell)
    return [(name, held[n : n + BATCH]) for name, held in queues.items() for n in range(0, len(held), BATCH)]


async def cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End tasks, and wait for their ends."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

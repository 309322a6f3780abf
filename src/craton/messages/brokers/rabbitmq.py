"""Events over RabbitMQ: a quorum queue per module, confirmed in batches, acknowledged when it is taken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import Any, Self, cast

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError
from pamqp.commands import Basic
from yarl import URL

from craton.calls.retry import Backoff
from craton.errors import NotRun
from craton.messages.brokers.cloudevents import CONTENT_TYPE, Missing, encode, request
from craton.messages.brokers.rabbitmq_queue import Queue
from craton.messages.brokers.rabbitmq_server import server_of
from craton.messages.told import Told
from craton.messages.transport import LATER, TAKEN, Message, Receive, Resend, Verdict
from craton.sources import Clock, Ids

OPENED_WITHIN = 10.0  # seconds
CLOSED_WITHIN = 2.0
CONFIRMED_WITHIN = 10.0  # seconds for a batch
LONGEST_PAUSE = 5.0  # seconds between looks for a server that is away
HEARTBEAT = "10"  # seconds; a server that is silent for three of them is taken for lost
PERSISTENT = 2
QUEUE: dict[str, Any] = {
    "x-queue-type": "quorum", "x-single-active-consumer": True, "x-delivery-limit": 1_000_000_000,
    "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
}
"""The same for every version, since no queue can be declared anew with others when the server has been upgraded.

The delivery limit is never reached, and must be there: without one 4.x gives up after 20 deliveries, and 3.10 puts what
comes back behind the others. (Letters count attempts.) Dead-lettering at least once needs reject-publish.
"""
LOST = "it did not confirm them in time, or the connection was lost"
UNROUTABLE = "it has no queue for them: no service that hosts the module has been connected yet"
SHORT = "RabbitMQ takes nothing: it is short of memory or disk"
REFUSED = "it refuses them: a queue is full"
log = logging.getLogger("craton.messages")


class RabbitMQ:
    """One process at a RabbitMQ server, which may be away: it is looked for until it is there.

    What an application has there: the exchanges `<application>.events` and `<application>.dead`; a queue
    `<application>.<module>` for each module; and the queue `<application>.dead`, for what nobody can read.
    """

    def __init__(
        self, url: str, application: str, *, modules: Sequence[str], service: str, clock: Clock, ids: Ids
    ) -> None:
        self.url, self.application, self.modules, self.service = URL(url), application, modules, service
        self.clock, self.ids = clock, ids
        self.exchange, self.dead = f"{application}.events", f"{application}.dead"
        self.told, self.why = Told(f"RabbitMQ at {self.url.host}:{self.url.port}"), ""
        self.largest = 2**29
        self.connected, self.opening = asyncio.Event(), asyncio.Lock()
        self.publishes: aiormq.Connection | None = None
        self.takes: aiormq.Connection | None = None
        self.channels: dict[str, aiormq.Channel] = {}

    async def __aenter__(self) -> Self:
        self.running = asyncio.get_running_loop().create_task(self.run(), name="rabbitmq")
        return self

    async def __aexit__(self, *error: object) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    # ------------------------------------------------------------------ being connected

    async def run(self) -> None:
        """Stay connected, until cancelled."""
        backoff = Backoff(most=LONGEST_PAUSE)
        while True:
            error = await apart(self.session(backoff))
            self.why = self.why or str(error or LOST) or type(error).__name__
            self.told.bad(NotRun(f"it is away, and events wait for it ({self.why})"))
            await asyncio.sleep(backoff.pause())

    async def session(self, backoff: Backoff) -> None:
        """Be connected until that is over.

        There are two connections: a server short of memory or disk no longer reads from one that publishes, and must
        still read acknowledgements.
        """
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(OPENED_WITHIN):
                publishes, takes = await self.open(stack, "publishes"), await self.open(stack, "takes")
                self.check(publishes)
                await self.declare(publishes)
            stack.callback(self.forget)
            self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.publishes, self.takes = publishes, takes
            self.connected.set()
            self.told.good()
            self.why, backoff.tries = "", 0
            over = [publishes.closing, takes.closing, self.broken]
            ended, _ = await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            for one in ended:
                one.result()

    async def open(self, stack: AsyncExitStack, purpose: str) -> aiormq.Connection:
        """One connection, closed at the end."""
        query = {"heartbeat": HEARTBEAT, **self.url.query, "name": f"{self.application}.{self.service} {purpose}"}
        connection = aiormq.Connection(self.url.with_query(query))
        await connection.connect()
        stack.push_async_callback(close, connection)
        return connection

    def check(self, connection: aiormq.Connection) -> None:
        """Whether the server is new enough, and what it takes."""
        server = server_of(connection.server_properties)
        self.largest = server.largest
        log.info("RabbitMQ %s at %s:%s carries events", server.version, self.url.host, self.url.port)

    async def declare(self, connection: aiormq.Connection) -> None:
        """What all modules share: where events enter, and where those go that nobody can read."""
        channel = await connection.channel()
        await channel.exchange_declare(self.exchange, exchange_type="direct", durable=True)
        await channel.exchange_declare(self.dead, exchange_type="fanout", durable=True)
        await channel.queue_declare(self.dead, durable=True, arguments={"x-queue-type": "quorum"})
        await channel.queue_bind(self.dead, self.dead)
        await channel.close()

    def forget(self) -> None:
        """The connections have gone, and their channels with them."""
        self.connected.clear()
        self.publishes = self.takes = None
        self.channels.clear()

    # ------------------------------------------------------------------ publishing

    async def send(self, destination: str, batch: Sequence[Message]) -> list[Verdict]:
        """Publish all, then wait for all confirms: "taken" is what the server has confirmed, and nothing else.

        What follows another message of its stream that was not confirmed is not taken either: it may come too early.
        """
        channel = await self.channel(destination)
        if await blocked(channel.connection):
            raise NotRun(SHORT)
        publishing = [asyncio.ensure_future(self.publish(channel, destination, message)) for message in batch]
        try:
            await asyncio.wait(publishing, timeout=CONFIRMED_WITHIN)
        finally:
            troubles = [trouble_of(task) for task in publishing]
            for task in publishing:
                task.cancel()
        trouble = next(filter(None, troubles), "")
        if LOST in troubles and not self.broken.done() and not await blocked(channel.connection):
            self.broken.set_result(None)  # nobody hears what it may still confirm: connect anew
        if all(troubles):
            raise NotRun(f"RabbitMQ: {trouble}")
        self.tell(destination, trouble)
        return verdicts_of(batch, troubles)

    def tell(self, destination: str, trouble: str) -> None:
        """Say that some events for a module were not taken, once; or that it is over."""
        what = f"RabbitMQ, events for {destination}"
        if trouble:
            self.told.bad(NotRun(trouble), what)
        else:
            self.told.good(what)

    async def channel(self, destination: str) -> aiormq.Channel:
        """The one for a destination: on it, the client tells returned messages apart by their ids."""
        async with self.opening:
            if self.publishes is None or (destination not in self.channels and await apart(self.enter(destination))):
                raise NotRun("RabbitMQ is away")
            return self.channels[destination]

    async def enter(self, destination: str) -> None:
        """Open the channel for a destination."""
        assert self.publishes
        self.channels[destination] = cast("aiormq.Channel", await self.publishes.channel(on_return_raises=True))

    async def publish(self, channel: aiormq.Channel, destination: str, message: Message) -> None:
        """Publish one message, and wait for its confirm."""
        body = encode(message, application=self.application, destination=destination)
        if len(body) > self.largest:
            raise ValueError(f"event {message.id} has {len(body)} bytes, and it takes {self.largest} at most")
        properties = Basic.Properties(
            message_id=message.id, message_type=message.type, content_type=CONTENT_TYPE, delivery_mode=PERSISTENT,
            timestamp=datetime.fromtimestamp(message.created, UTC), app_id=self.application,
        )
        await channel.basic_publish(
            body, exchange=self.exchange, routing_key=destination, properties=properties, mandatory=True, wait=False,
        )

    # ------------------------------------------------------------------ taking

    async def consume(self, module: str, receive: Receive, resend: Resend) -> None:
        """For ever: give `receive` what comes for a module."""
        backoff = Backoff(most=LONGEST_PAUSE)
        while True:
            await self.connected.wait()
            error = await apart(self.take(module, receive, resend))
            if self.connected.is_set():
                self.told.bad(error or NotRun("it was deleted"), f"RabbitMQ, queue of {module}")
            await asyncio.sleep(backoff.pause())

    async def take(self, module: str, receive: Receive, resend: Resend) -> None:
        """Take what comes for a module, for as long as its channel and its queue last."""
        assert self.takes
        name = f"{self.application}.{module}"
        if not await self.has(name):
            await self.recover(module, resend)
        channel = await self.takes.channel(publisher_confirms=False)
        try:
            async with asyncio.timeout(OPENED_WITHIN):
                arguments = QUEUE | {"x-dead-letter-exchange": self.dead}
                await channel.queue_declare(name, durable=True, arguments=arguments)
                await channel.queue_bind(name, self.exchange, module)
            self.told.good(f"RabbitMQ, queue of {module}")
            await Queue(channel, module, receive=receive, resend=resend, ask=self.ask).consume(name)
        finally:
            await close(channel)

    async def recover(self, module: str, resend: Resend) -> None:
        """The queue of a module is not there: what its server had confirmed may be lost, to this module and to others.

        The modules whose queues are gone, too, do the same for themselves, so that nobody needs to be reached.
        """
        await resend("", "", 0)
        for other in self.modules:
            if other != module:
                await self.ask(other, Missing(module, "", 0))

    async def has(self, queue: str) -> bool:
        """Whether the server knows a queue; else it is new, or was emptied."""
        assert self.takes
        channel = await self.takes.channel(publisher_confirms=False)
        try:
            await channel.queue_declare(queue, passive=True, timeout=OPENED_WITHIN)
        except ChannelNotFoundEntity:
            return False
        await channel.close()
        return True

    async def ask(self, source: str, missing: Missing) -> bool:
        """Ask a module to send events again; whether the server has the request."""
        asked = request(missing, id=self.ids.new("request"), created=self.clock.now().timestamp())
        with suppress(NotRun):
            return await self.send(source, [asked]) == [TAKEN]
        return False


def trouble_of(task: asyncio.Task[None]) -> str:
    """Why a message was not confirmed; "" if it was."""
    if not task.done() or task.cancelled():
        return LOST
    error = task.exception()
    if isinstance(error, PublishError):
        return UNROUTABLE
    if isinstance(error, DeliveryError):
        return REFUSED
    if isinstance(error, ValueError):
        return str(error)
    return LOST if error else ""


def verdicts_of(batch: Sequence[Message], troubles: Sequence[str]) -> list[Verdict]:
    """What became of each message."""
    behind: set[tuple[str, str]] = set()
    verdicts = []
    for message, trouble in zip(batch, troubles, strict=True):
        stream = (message.source, message.stream)
        if trouble and message.stream:
            behind.add(stream)
        verdicts.append(LATER if trouble or stream in behind else TAKEN)
    return verdicts


async def blocked(connection: AbstractConnection) -> bool:
    """Whether a server has said that it reads no more of what is published, until it says otherwise."""
    try:
        async with asyncio.timeout(0):
            await connection.ready()
    except TimeoutError:
        return True
    return False


async def close(one: AbstractConnection | AbstractChannel) -> None:
    """Close a connection or a channel, whose server may have stopped to read."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSED_WITHIN):
            await one.close()


async def apart(work: Coroutine[Any, Any, None]) -> BaseException | None:
    """Do something in a task of its own, and say how it ended: the client cancels who waits for what is lost."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
        (error,) = await asyncio.gather(task, return_exceptions=True)
    return error

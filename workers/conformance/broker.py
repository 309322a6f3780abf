"""A doorbell for tests: rings at a RabbitMQ server, to which the worker comes through a door that can be shut."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any, Self

import aiormq
from yarl import URL

from craton.tasks.doorbell import doorbell_at
from workers.conformance.controller import PATIENCE
from workers.conformance.events import NEVER_RUNG, QUEUE

BLOCK = 65536


class Gate:
    """Passes bytes on between a worker and a server; shut, it cuts all connections and lets nobody in."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.passing: set[asyncio.Task[None]] = set()
        self.own = 0

    async def open(self) -> None:
        """Let connections in."""
        self.server = await asyncio.start_server(self.enter, "127.0.0.1", self.own)
        self.own = self.server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Cut connections, and let none in."""
        self.server.close()
        for task in list(self.passing):
            task.cancel()
        await asyncio.gather(*self.passing, return_exceptions=True)

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection has come."""
        task = asyncio.current_task()
        assert task is not None
        self.passing.add(task)
        try:
            await self.connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.passing.discard(task)
            writer.transport.abort()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes from both sides, until one of them ends."""
        server, to_server = await asyncio.open_connection(self.host, self.port)
        try:
            await asyncio.gather(carry(reader, to_server), carry(server, writer))
        finally:
            to_server.transport.abort()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, until one side ends."""
    while block := await reader.read(BLOCK):
        writer.write(block)
        await writer.drain()
    raise ConnectionResetError("one side has ended")


class Broker:
    """Queues of one application at a RabbitMQ server, made and rung as controllers do it."""

    def __init__(self, url: str, application: str) -> None:
        self.at, self.application = URL(url), application
        self.gate = Gate(str(self.at.host), self.at.port or 5672)
        self.queue, self.dead = self.name_of(QUEUE), f"{application}.dead.jobs"
        self.rung = {self.dead}

    @property
    def url(self) -> str:
        """Where the worker finds it."""
        return str(self.at.with_host("127.0.0.1").with_port(self.gate.own))

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self.doorbell = await stack.enter_async_context(doorbell_at(str(self.at), application=self.application))
            self.connection = aiormq.Connection(self.at)
            await self.connection.connect()
            stack.push_async_callback(self.connection.close)
            await self.gate.open()
            stack.push_async_callback(self.gate.shut)
            self.stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        channel = await self.connection.channel()
        for queue in self.rung:
            await channel.queue_delete(queue)
        await self.stack.aclose()

    def name_of(self, queue: str) -> str:
        """What a queue of jobs is called at the server."""
        return f"{self.application}.jobs.{queue}"

    async def ring(self, event: dict[str, Any]) -> None:
        """Ring for a job. Raises TimeoutError when the server does not confirm it."""
        self.rung.add(self.name_of(event["taskqueue"]))
        rung = {name: value for name, value in event.items() if name not in NEVER_RUNG}
        async with asyncio.timeout(PATIENCE):
            await self.doorbell.ring(event["taskqueue"], [json.dumps(rung).encode()])

    async def send(self, body: bytes) -> None:
        """Put anything into the queue."""
        channel = await self.connection.channel()
        await channel.basic_publish(body, routing_key=self.queue)
        await channel.close()

    async def counts(self, queue: str) -> tuple[int, int]:
        """How many messages of a queue nobody holds, and how many consumers it has."""
        channel = await self.connection.channel()
        declared = await channel.queue_declare(queue, passive=True)
        await channel.close()
        return declared.message_count or 0, declared.consumer_count or 0

    async def waiting(self, queue: str) -> int:
        """How many messages nobody holds."""
        return (await self.counts(queue))[0]

    async def until(self, queue: str, *, messages: int | None = None, consumers: int | None = None) -> None:
        """Wait until so many messages wait in a queue, and until it has so many consumers."""
        async with asyncio.timeout(PATIENCE):
            while True:
                there = await self.counts(queue)
                if messages in (None, there[0]) and consumers in (None, there[1]):
                    return
                await asyncio.sleep(0.02)

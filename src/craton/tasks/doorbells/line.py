"""One connection to a RabbitMQ server, which may be away: it is looked for until it is there."""

from __future__ import annotations

import asyncio
import logging
from typing import Self

import aiormq
from yarl import URL

from craton.calls.retry import Backoff
from craton.errors import NotRun
from craton.messages.brokers.rabbitmq import HEARTBEAT, LONGEST_PAUSE, LOST, OPENED_WITHIN, apart, close
from craton.messages.brokers.rabbitmq_server import Server, server_of
from craton.messages.told import Told

log = logging.getLogger("craton.tasks")


class Line:
    """A connection with a purpose, opened when it is first needed. `connection` is None while the server is away."""

    def __init__(self, url: URL, name: str) -> None:
        self.url = url.with_query({"heartbeat": HEARTBEAT, **url.query, "name": name})
        self.told, self.why = Told(f"RabbitMQ at {url.host}:{url.port}"), ""
        self.connected = asyncio.Event()
        self.connection: aiormq.Connection | None = None
        self.server: Server | None = None
        self.running: asyncio.Task[None] | None = None
        self.broken: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        if self.running:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)

    async def ready(self) -> aiormq.Connection:
        """The connection; waits for the server, for ever."""
        self.begin()
        while self.connection is None:
            await self.connected.wait()
        return self.connection

    def begin(self) -> None:
        """Connect, if nobody has begun to."""
        if self.running is None:
            self.running = asyncio.get_running_loop().create_task(self.run(), name="rabbitmq line")

    def abandon(self) -> None:
        """What is on the way is lost: connect anew."""
        if self.broken and not self.broken.done():
            self.broken.set_result(None)

    async def run(self) -> None:
        """Stay connected, until cancelled."""
        backoff = Backoff(most=LONGEST_PAUSE)
        while True:
            error = await apart(self.session(backoff))
            why = str(error or LOST) or type(error).__name__
            self.told.bad(NotRun(f"it is away, and jobs wait for it ({why})"))
            await asyncio.sleep(backoff.pause())

    async def session(self, backoff: Backoff) -> None:
        """Be connected until that is over."""
        connection = aiormq.Connection(self.url)
        try:
            async with asyncio.timeout(OPENED_WITHIN):
                await connection.connect()
                self.server = server_of(connection.server_properties)
            log.info("RabbitMQ %s at %s:%s rings for jobs", self.server.version, self.url.host, self.url.port)
            self.broken = asyncio.get_running_loop().create_future()
            self.connection = connection
            self.connected.set()
            self.told.good()
            backoff.tries = 0
            ended, _ = await asyncio.wait([connection.closing, self.broken], return_when=asyncio.FIRST_COMPLETED)
            for one in ended:
                one.result()
        finally:
            self.connection = None
            self.connected.clear()
            await close(connection)

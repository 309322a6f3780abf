"""One life of a service in a simulated world: it can die at any await and at any commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from craton.calls.context import CONTEXT, Context
from craton.calls.link import Handler, Replies, Reply, Request
from craton.errors import NotRun, OutcomeUnknown
from craton.run.process import Process
from tests.crash.loop import Inline, Killed
from tests.crash.order import EPOCH
from tests.crash.points import OWNER

if TYPE_CHECKING:
    from tests.crash.world import World

SECRET = b"a secret that only tests know"
WIRE = 0.001
"""Seconds that a message is under way."""


class LoopClock:
    """The time of day by the loop's clock."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(EPOCH + asyncio.get_running_loop().time(), UTC)


class Service:
    """From its start to its death."""

    def __init__(self, world: World, name: str) -> None:
        loop = asyncio.get_running_loop()
        self.world, self.name = world, name
        self.context = copy_context()
        self.context.run(OWNER.set, self)
        self.alive, self.ready = True, False
        self.died: asyncio.Future[None] = loop.create_future()
        self.never: asyncio.Future[None] = loop.create_future()
        self.stores: list[Any] = []
        self.asked: set[asyncio.Task[Any]] = set()
        self.process = Process(
            world.application, world.topology, name, database=world.databases.get(name), secret=SECRET,
            links=lambda service, kind: CrashLink(self, service), environ=world.environ, clock=LoopClock(),
            ids=world.ids,
        )

    async def open(self) -> None:
        """Open the process; from now on its commits are points, too."""
        await self.process.__aenter__()
        for store in self.stores:
            store.writer.thread = Inline()
            store.writer.connection.sql("PRAGMA synchronous=OFF")  # a process dies here, not the machine
            self.watch_commits(store.writer.connection)
        self.ready = True

    def watch_commits(self, connection: Any) -> None:
        """A point before and a point after each COMMIT."""
        run: Callable[[str], None] = connection.sql

        def sql(text: str) -> None:
            if text == "COMMIT":
                self.pass_by("before COMMIT")
            run(text)
            if text == "COMMIT":
                self.pass_by("after COMMIT")

        connection.sql = sql
        connection.raw.set_trace_callback(self.world.note_statement)

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Run a coroutine as this service's."""
        return asyncio.get_running_loop().create_task(work, context=self.context.copy())

    def reach(self, place: str) -> Awaitable[None] | None:
        """At an await: die here, and never go on, if that is the plan."""
        if not self.alive:
            raise Killed(self.name)
        return self.never if self.world.comes_to(self, place) else None

    def pass_by(self, place: str) -> None:
        """At a commit, which is no await: the same."""
        if self.world.comes_to(self, place):
            raise Killed(self.name)

    def die(self) -> None:
        """As by kill -9: files are closed by the operating system, connections break, and that is all."""
        self.alive = self.ready = False
        for store in self.stores:
            abandon(store)
        for task in self.asked:
            task.cancel()
        if not self.died.done():
            self.died.set_result(None)

    def forget(self) -> None:
        """Hold nothing any more: SQLAlchemy keeps connections that nobody gave back, and they all that is here."""
        for store in self.stores:
            for name in CONNECTED:
                if hasattr(store, name):
                    getattr(store, name).connection.alchemy.invalidate()
        vars(self).clear()


CONNECTED = ("reader", "inspector", "writer")
"""What has a connection in a store; the writer last: it waits for no disk."""


def abandon(store: Any) -> None:
    """What the operating system does to the files of a process that died."""
    with suppress(sqlite3.ProgrammingError):  # it was closed, since the service could not be opened
        if (writer := getattr(store, "writer", None)) is not None and writer.connection.raw.in_transaction:
            writer.connection.raw.set_trace_callback(None)
            writer.connection.bare.execute("ROLLBACK")
    for name in CONNECTED:
        if hasattr(store, name):
            getattr(store, name).connection.raw.close()
    store.lock.release()


class CrashLink:
    """The way from one service to another. As with rpc, a call whose caller goes away is cancelled."""

    def __init__(self, asking: Service, service: str) -> None:
        self.asking, self.service = asking, service

    async def send(self, request: Request) -> Reply:
        """Ask, unless the world is against it."""
        world = self.asking.world
        fate = world.fate_of(request)
        if fate in ("late", "twice"):
            world.late.append((self.service, request))
        if fate in ("late", "lost"):
            await asyncio.sleep(WIRE)
            raise OutcomeUnknown(f"{request.method}: the connection was lost.")
        reply = await self.deliver(request)
        if fate == "mute":
            raise OutcomeUnknown(f"{request.method}: the connection was lost before its answer came.")
        return reply

    async def deliver(self, request: Request) -> Reply:
        """Ask, and wait for the answer, or for either side's end."""
        asked = self.asking.world.up(self.service)
        if asked is None:
            raise NotRun(f"{self.service} is not running.")
        task = asked.spawn(answer(asked.process.handler, request))
        self.asking.asked.add(task)
        try:
            await asyncio.wait({task, asked.died}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            self.asking.asked.discard(task)
        if unanswered(task):
            raise OutcomeUnknown(f"{request.method}: {self.service} went away.")
        reply: Reply = task.result()
        return reply

    def stream(self, request: Request) -> Replies:
        raise NotImplementedError("nothing streams here")

    async def close(self) -> None:
        """Nothing is held."""


def unanswered(task: asyncio.Task[Any]) -> bool:
    """Whether no answer came, or none will: its service died, before or in the middle of a step."""
    return not task.done() or task.cancelled() or isinstance(task.exception(), Killed)


async def answer(handler: Handler, request: Request) -> Reply:
    """A request and its reply, each a moment on its way; in a context of its own."""
    await asyncio.sleep(WIRE)
    CONTEXT.set(Context())
    reply = await handler(request)
    assert isinstance(reply, Reply)
    await asyncio.sleep(WIRE)
    return reply

"""Sessions of rpc that a hostile peer might hold: made of bytes, so that a fuzzer can steer them, and judged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

from craton.calls.link import Replies, Reply, Request
from craton.calls.links.rpc import RpcServer
from craton.calls.links.rpc.client import ClientConnection, Untaken
from craton.calls.links.rpc.frames import HEADER, Credit, FrameError, FrameReader, Kind, encode, frame
from craton.calls.links.rpc.handshake import ClientGreeting, Refused, ServerGreeting, Terms
from craton.calls.links.rpc.server import MOST_CALLS, ServerConnection
from craton.contract import query
from craton.errors import CallError

SECRET = b"known to both sides of each session"
LIMIT = 100_000
HIGH, LOW = 65_536, 16_384
METHODS = ("shop.echo", "shop.wait", "shop.stream", "shop.large", "vault.open", "shop.none", "")


class Shop(Protocol):
    """What client and server are built with."""

    @query
    async def echo(self, text: str) -> str: ...


class Store(Protocol):
    """The same in another version, whose difference breaks callers."""

    @query
    async def echo(self, text: int) -> str: ...


class Source:
    """Choices, made by bytes; all are the first one when the bytes are used up."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def number(self, most: int) -> int:
        """A number from 0 to `most`."""
        size = (most.bit_length() + 7) // 8
        return int.from_bytes(self.bytes(size)) % (most + 1)

    def bytes(self, size: int) -> bytes:
        """As many bytes, or those that are left."""
        self.at += size
        return self.data[self.at - size:self.at]

    def one(self, of: Iterable[Any]) -> Any:
        """One of several."""
        listed = tuple(of)
        return listed[self.number(len(listed) - 1)]


class Memory(asyncio.Transport):
    """A transport without a socket: what is written to it stays until the other side takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed, self.paused, self.full = bytearray(), False, False, False
        self.protocol: asyncio.Protocol | None = None

    def connect(self, protocol: asyncio.Protocol) -> None:
        """Begin."""
        self.protocol = protocol
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        """Keep it; a writer that fills it is told to wait."""
        assert not self.closed, "it wrote to a closed transport"
        self.written += data
        if len(self.written) > HIGH and not self.full and self.protocol:
            self.full = True
            self.protocol.pause_writing()

    def take(self) -> bytes:
        """What was written since the last time."""
        data, self.written = bytes(self.written), bytearray()
        if self.full and self.protocol:
            self.full = False
            self.protocol.resume_writing()
        return data

    def is_closing(self) -> bool:
        return self.closed

    def is_reading(self) -> bool:
        return not self.paused and not self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def abort(self) -> None:
        self.close()

    def close(self) -> None:
        """End; the protocol hears of it in the next turn of the loop, as on a socket."""
        if not self.closed and self.protocol:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Judge(logging.Handler):
    """Finds what must never happen: exceptions that nobody catches, and tracebacks in the log."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.frames = 0

    def emit(self, record: logging.LogRecord) -> None:
        """A line of the log."""
        if record.exc_info or record.levelno >= logging.ERROR or "\n" in record.getMessage():
            self.found.append(record.getMessage())

    def unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception in a callback."""
        self.found.append(repr(context))

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the loop and the log."""
        log = logging.getLogger("craton")
        log.addHandler(self)
        log.propagate, before = False, log.propagate
        asyncio.get_running_loop().set_exception_handler(self.unhandled)
        try:
            yield
        finally:
            log.removeHandler(self)
            log.propagate = before
            asyncio.get_running_loop().set_exception_handler(None)


async def shop(request: Request) -> Reply | Replies:
    """What the server answers."""
    if request.method == "shop.wait":
        await asyncio.Event().wait()
    if request.method == "shop.stream":
        return items(len(request.body))
    if request.method == "shop.none":
        await asyncio.sleep(0)
    return Reply("ok", b"x" * 20_000 if request.method == "shop.large" else request.body)


async def items(size: int) -> Replies:
    """A stream without an end."""
    while True:
        yield Reply("ok", b"i" * size)


class Ground:
    """A server with a healthy peer beside the hostile ones."""

    def __init__(self, server: RpcServer, judge: Judge) -> None:
        self.server, self.judge = server, judge
        self.terms = Terms(secret=server.terms.secret, service="web", contracts={"shop": Shop})
        self.there, self.here = Memory(), Memory()

    async def open(self) -> None:
        """Connect the healthy peer."""
        self.healthy, answering = client(self.terms), ServerConnection(self.server)
        self.here.connect(self.healthy)
        self.there.connect(answering)
        while not self.healthy.greeted:
            await self.carry()

    async def carry(self) -> None:
        """Carry what either side of the healthy connection said to the other one."""
        await asyncio.sleep(0)
        for one, other in ((self.there, self.here), (self.here, self.there)):
            if (data := one.take()) and other.protocol:
                other.protocol.data_received(data)

    async def check(self) -> None:
        """The healthy peer is answered, and nothing happened that must not."""
        asked = asyncio.ensure_future(self.healthy.ask(Request("shop.echo", b"healthy"), None))
        for _ in range(50):
            await self.carry()
            if asked.done():
                break
        assert asked.done() and asked.result() == Reply("ok", b"healthy"), "a healthy peer is answered no more"
        assert not self.judge.found, self.judge.found


def client(terms: Terms) -> ClientConnection:
    """The asking end of a connection."""
    greeting = ClientGreeting(terms, needs=frozenset({"shop"}), peer="shop")
    return ClientConnection(name="a server", limit=LIMIT, greeting=greeting, farewell=lambda why: None)


@asynccontextmanager
async def ground(address: str) -> AsyncIterator[Ground]:
    """A real server, which hostile sessions are held with in memory."""
    judge = Judge()
    server = RpcServer(
        shop, address, secret=SECRET, service="shop", limit=LIMIT, drain=0, contracts={"shop": Shop},
        grants=lambda service: frozenset({"shop"}),
    )
    async with judge.watching(), server:
        made = Ground(server, judge)
        await made.open()
        yield made


# ------------------------------------------------------------------ what a hostile peer sends


def frames_of(source: Source, kinds: Iterable[Kind]) -> Iterator[bytes]:
    """Frames: mostly of the kinds that may come, mostly well formed, and some that are neither."""
    kinds, last = tuple(kinds), 0
    while source:
        shape = source.number(127)
        kind = source.one(kinds) if shape > 1 else source.one(Kind)
        if kind is Kind.REQUEST and shape > 8:
            number = last = last + 1
        else:
            near = source.number(2**64 - 1 if shape == 2 else 7)
            number = abs(last - near) if last else near
        made = frame(kind, number, body_of(source, kind) if shape > 3 else source.bytes(source.number(40)))
        if shape == 4:  # bytes of it are changed
            at = source.number(len(made) - 1)
            made = made[:at] + source.bytes(1 + source.number(3)) + made[at + 1:]
        if shape == 5:  # it is cut
            made = made[:source.number(len(made))]
        if shape == 6:  # it says that it is longer, or shorter, than it is
            made = HEADER.pack(source.number(2 * LIMIT), number, kind) + made[HEADER.size:]
        yield from [made] * (1 + source.number(255) if shape == 7 else 1)


def body_of(source: Source, kind: Kind) -> bytes:
    """A body of a kind."""
    if kind is Kind.REQUEST:
        timeout = source.one((None, 0.0, 5.0, -1.0, float("inf"), 1e300, 0.001) * 8 + (float("nan"),))
        return encode(Request(source.one(METHODS), source.bytes(source.number(20)), timeout=timeout))
    if kind is Kind.REPLY:
        return encode(Reply(source.one(("ok", "fault", "not-run", "unknown", "failed")), source.bytes(5)))
    if kind is Kind.CREDIT:
        return encode(Credit(source.number(300), source.one((0, 1, 2**20) * 10 + (-1, 2**63))))
    return source.bytes(source.number(30)) if kind is Kind.ITEM else b""


def greeting_of(source: Source, body: bytes) -> bytes:
    """A greeting, mostly as it should be."""
    shape = source.number(15)
    if shape == 0:
        at = source.number(len(body) - 1)
        body = body[:at] + source.bytes(2) + body[at + 1:]
    return source.bytes(source.number(60)) if shape == 1 else body


async def feed(memory: Memory, judge: Judge, source: Source, frames: Iterable[bytes]) -> None:
    """Send frames, cut and joined anyhow, while the other end reads; some answers are taken, and some are not."""
    protocol, buffer = memory.protocol, bytearray()
    assert isinstance(protocol, ServerConnection | ClientConnection)
    for made in frames:
        buffer += made
        judge.frames += 1
        if source.number(7) == 0 or len(buffer) > 4 * HIGH:
            cut = source.number(len(buffer)) if source.number(1) else len(buffer)
            if memory.is_reading():
                protocol.data_received(bytes(buffer[:cut]))
            del buffer[:cut]
            check_bounds(protocol)
            await asyncio.sleep(0)
            if source.number(3):
                memory.take()
        if memory.closed:
            return


def check_bounds(protocol: ServerConnection | ClientConnection) -> None:
    """What a peer may make this side keep."""
    assert len(protocol.reader.buffer) <= LIMIT + HEADER.size, "its buffer grows beyond a frame"
    assert len(protocol.calls) <= MOST_CALLS + 4 * HIGH // HEADER.size, "it holds too many calls"


async def against_server(ground: Ground, data: bytes) -> None:
    """One hostile client."""
    source, memory, connection = Source(data), Memory(), ServerConnection(ground.server)
    memory.connect(connection)
    terms = Terms(secret=ground.terms.secret, service="web", contracts={"shop": source.one((Shop, Shop, Shop, Store))})
    greeting = ClientGreeting(terms, needs=frozenset({"shop"}))
    await asyncio.sleep(0)
    (challenge,) = FrameReader().feed(memory.take())
    said = greeting.hear(challenge)
    assert said is not None
    if source.number(15):
        connection.data_received(frame(Kind.HELLO, 0, greeting_of(source, said)))
    await feed(memory, ground.judge, source, frames_of(source, (Kind.REQUEST, Kind.CANCEL, Kind.CREDIT, Kind.PING)))
    memory.close()
    for _ in range(20):
        if connection.ended.done() and not connection.calls:
            break
        await asyncio.sleep(0)
    assert not connection.calls and connection not in ground.server.connections, "something is left of its calls"
    assert connection not in ground.server.strangers, "it is still waited for"


async def against_client(ground: Ground, data: bytes) -> None:
    """One hostile server, and calls to it, which must all come to an end."""
    source, memory, connection = Source(data), Memory(), client(ground.terms)
    memory.connect(connection)
    greeting = ServerGreeting(Terms(secret=ground.terms.secret, service="shop", contracts={"shop": Shop}))
    connection.data_received(frame(Kind.CHALLENGE, 0, greeting_of(source, encode(greeting.challenge))))
    await asyncio.sleep(0)
    with suppress(FrameError, Refused, ValueError):
        (hello,) = FrameReader().feed(memory.take())
        connection.data_received(frame(Kind.WELCOME, 0, greeting_of(source, greeting.hear(hello)[1])))
    calls = [asyncio.ensure_future(asked(connection, source.one(METHODS))) for _ in range(source.number(7))]
    await asyncio.sleep(0)
    kinds = (Kind.REPLY, Kind.ITEM, Kind.UNTAKEN, Kind.PING, Kind.RESULT, Kind.REPLY, Kind.GOODBYE)
    await feed(memory, ground.judge, source, frames_of(source, kinds))
    memory.close()
    for call in calls:
        async with asyncio.timeout(5):
            await call
    with suppress(Untaken):
        await connection.welcomed
    assert not connection.calls, "something is left of its calls"


async def asked(connection: ClientConnection, method: str) -> None:
    """One call, which may fail as calls do."""
    with suppress(CallError, Untaken):
        if method == "shop.stream":
            async for _ in connection.stream(Request(method, b""), None):
                pass
        else:
            await connection.ask(Request(method, b""), None)


async def session(ground: Ground, data: bytes) -> None:
    """One session, and a look at the healthy peer."""
    await (against_client if data[:1] > b"\xb0" else against_server)(ground, data[1:])
    await ground.check()

"""A link over HTTP: connections to each replica of a service that are used again and again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from functools import partial
from io import BytesIO
from os import urandom
from typing import Any, Protocol, TypeVar

import aiohttp
from yarl import URL

from craton.application import Application
from craton.calls import codec
from craton.calls.link import Replies, Reply, Request
from craton.calls.links.rest.headers import headers_of
from craton.calls.links.rest.places import LENGTH, LIMIT, LINES, OWN, PACKED, Asked, Place
from craton.calls.links.rest.problems import reply_of
from craton.calls.links.rest.proof import DIGEST, PEER, Peer, Prover, digest_of
from craton.errors import Failed, InvalidArguments, NotRun, OutcomeUnknown
from craton.sources import Clock, SystemClock

LARGE = 1024 * 1024
"""Bytes from which on a body is sent in pieces."""
CONNECT_SECONDS = 3.0
IDLE_SECONDS = 30.0
"""How long a connection is kept unused: shorter than the other side keeps it, so that none is used as it is closed."""
ASIDE_SECONDS = 0.5
"""How long a replica that could not be reached is asked only where no other is left."""
DICE = random.Random()
UNREACHED = (aiohttp.ClientConnectorError, aiohttp.ClientSSLError, aiohttp.ConnectionTimeoutError)
"""What is raised before anything was sent."""
T = TypeVar("T")
log = logging.getLogger("craton.rest")


class Translation(Protocol):
    """How a program in another language is asked what is in no contract."""

    def asked(self, request: Request) -> Asked:
        """The request over HTTP."""
        ...

    def result(self, data: bytes) -> bytes:
        """Its answer, in the one encoding; raises MALFORMED errors where it is none."""
        ...


class RestLink:
    """A way to one service: `unix:/path`, `host:port`, or what its URLs begin with, for each replica.

    `service` is who asks, and `needs` the modules it may ask. A service of Craton is asked at the routes of its
    contracts, and beside them for what they cannot say. One in another language is asked at the routes alone: `foreign`
    says how it is asked what every module is asked besides, by the name of that.
    """

    def __init__(
        self, application: Application, addresses: Sequence[str], *, secret: bytes, service: str = "",
        needs: frozenset[str] = frozenset(), foreign: Mapping[str, Translation] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.application, self.foreign, self.clock = application.name, foreign, clock or SystemClock()
        self.service, self.needs, self.prover = service, tuple(sorted(needs)), Prover(secret)
        self.methods = {f"{module.name}.{method.name}": method for module, method in application.methods()}
        self.places = {name: Place(m, m.route) for name, m in self.methods.items() if m.route}
        self.replicas = [Replica(address) for address in addresses]
        self.closed = False

    async def send(self, request: Request) -> Reply:
        """Ask one replica; another one where the first could not be reached."""
        asked = self.asked(request)
        with explained(request.method):
            async with asyncio.timeout(request.timeout):
                status, media, data = await self.exchange(request, asked)
        return self.reply(request, status, media, data)

    async def exchange(self, request: Request, asked: Asked) -> tuple[int, str, bytes]:
        """One request, and its answer: status, media type and body."""
        replica, response = await self.begin(request, asked)
        try:
            return response.status, response.content_type, await response.read()
        finally:
            replica.done(response)

    async def stream(self, request: Request) -> Replies:
        """Ask, and take the answers as they are wanted."""
        asked = self.asked(request)
        deadline = None if request.timeout is None else asyncio.get_running_loop().time() + request.timeout
        with explained(request.method):
            replica, response = await within(deadline, self.begin(request, asked))
            try:
                media = response.content_type
                if response.status != 200 or media not in PIECES:  # it was refused before it began
                    yield self.reply(request, response.status, media, await within(deadline, response.read()))
                    return
                async with aclosing(PIECES[media](response.content)) as pieces:
                    while data := await within(deadline, anext(pieces, b"")):
                        yield self.result(request, media, data)
            finally:
                replica.done(response)

    # ------------------------------------------------------------------ what is asked, and what is answered

    def asked(self, request: Request) -> Asked:
        """The request over HTTP: at the method's route, where it can be said there."""
        place, own = self.places.get(request.method), Asked("POST", f"{OWN}{request.method}", request.body, PACKED)
        if self.foreign is not None:
            return self.asked_abroad(request, self.foreign)
        if place is None or request.undoes or place.method.streams:
            return self.checked(request, own)
        return self.checked(request, place.asked(codec.decode(place.method.arguments, request.body)) or own)

    def asked_abroad(self, request: Request, foreign: Mapping[str, Translation]) -> Asked:
        """The request to a program in another language."""
        place, translation = self.places.get(request.method), foreign.get(request.method.partition(".")[2])
        if translation is not None:
            return self.checked(request, translation.asked(request))
        if place is None:
            raise NotRun(f"{request.method} was not called: it is at no route, and only services of Craton answer it.")
        found = place.asked(codec.decode(place.method.arguments, request.body))
        if found is None:
            why = f"{place.route.path} cannot say one of its arguments: it is empty, or holds a /."
            raise InvalidArguments(f"{request.method}: {why}")
        return self.checked(request, found)

    def checked(self, request: Request, asked: Asked) -> Asked:
        """A request that is small enough."""
        if len(asked.body) > LIMIT:
            size = f"its request of {len(asked.body):,} bytes is over the limit of {LIMIT:,}"
            raise NotRun(f"{request.method} was not called: {size}: send less at once.")
        return asked

    def reply(self, request: Request, status: int, media: str, data: bytes) -> Reply:
        """What an answer stands for."""
        if media == PACKED:
            return codec.decode(Reply, data)  # type: ignore[no-any-return]
        method = self.methods.get(request.method)
        if status == 202 or not 200 <= status < 300:
            return reply_of(self.application, request.method, method.raises if method else (), status, data)
        return Reply("ok") if request.undoes else self.result(request, media, data)

    def result(self, request: Request, media: str, data: bytes) -> Reply:
        """A result, in the one encoding."""
        if media == PACKED:
            return codec.decode(Reply, data)  # type: ignore[no-any-return]
        try:
            if request.method in self.methods:
                return Reply("ok", codec.encode(codec.from_json(self.methods[request.method].result, data or b"null")))
            return Reply("ok", (self.foreign or {})[request.method.partition(".")[2]].result(data))
        except codec.MALFORMED as error:
            raise Failed(request.method, f"its answer does not fit the contract: {error}") from error

    # ------------------------------------------------------------------ replicas

    async def begin(self, request: Request, asked: Asked) -> tuple[Replica, aiohttp.ClientResponse]:
        """The answer of one replica, as far as its headers. NotRun where none can be reached."""
        headers = self.signed(request, asked)
        why = "the link is closed"
        for replica in () if self.closed else self.candidates():
            try:
                return replica, await replica.ask(asked, headers)
            except UNREACHED as error:
                why = replica.set_aside(error)
        raise NotRun(f"{request.method} was not called: {why}.")

    def signed(self, request: Request, asked: Asked) -> dict[str, str]:
        """The headers of a request, and the one that signs it."""
        headers = headers_of(request) | ({"if-match": asked.seen} if asked.seen else {})
        peer = Peer(self.service, self.needs, self.clock.now().timestamp(), urandom(9).hex())
        media, digest = {"content-type": asked.media} if asked.media else {}, digest_of(asked.body)
        proof = self.prover.sign(peer, asked.verb, asked.target, headers, digest)
        return {**headers, **media, DIGEST: digest, PEER: proof}

    def candidates(self) -> Iterator[Replica]:
        """The replicas, best first: of two drawn at random the one with fewer calls; those set aside at the end."""
        now = asyncio.get_running_loop().time()
        left = list(self.replicas)
        while left:
            drawn = DICE.sample(left, min(2, len(left)))
            best = min(drawn, key=lambda replica: (replica.aside_until > now, replica.load))
            left.remove(best)
            yield best

    async def close(self) -> None:
        """Close every connection; calls in flight end with OutcomeUnknown."""
        self.closed = True
        for replica in self.replicas:
            await replica.close()


class Replica:
    """One process of the service, and the connections to it."""

    def __init__(self, address: str) -> None:
        self.address, self.path = address, address.removeprefix("unix:") if address.startswith("unix:") else ""
        self.origin = "http://service" if self.path else address if "://" in address else f"http://{address}"
        self.load, self.aside_until, self.away = 0, 0.0, False
        self.session: aiohttp.ClientSession | None = None

    async def ask(self, asked: Asked, headers: dict[str, str]) -> aiohttp.ClientResponse:
        """Send a request, and wait for the head of its answer."""
        if self.session is None or self.session.closed:
            self.session = self.open()
        self.load, sent = self.load + 1, list[bool]()
        try:
            url = URL(self.origin + asked.target, encoded=True)
            body = BytesIO(asked.body) if len(asked.body) > LARGE else asked.body or None
            response = await self.session.request(
                asked.verb, url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=sent
            )
            self.away = False
            return response
        except BaseException as error:
            self.load -= 1
            if sent and isinstance(error, UNREACHED):  # it was sent, and lost, and is sent again by itself
                raise aiohttp.ServerDisconnectedError(str(error)) from error
            raise

    def open(self) -> aiohttp.ClientSession:
        """Where connections are kept."""
        unix = partial(aiohttp.UnixConnector, self.path) if self.path else None
        connector = (unix or aiohttp.TCPConnector)(keepalive_timeout=IDLE_SECONDS, limit=0)
        time = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(note_sent)
        return aiohttp.ClientSession(
            connector=connector, timeout=time, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[trace],
        )

    def done(self, response: aiohttp.ClientResponse) -> None:
        """The answer was read; or nobody wants the rest of it, and the other side is told so."""
        self.load -= 1
        response.close() if not response.content.at_eof() else response.release()

    def set_aside(self, error: Exception) -> str:
        """Ask others first, for a moment."""
        now = asyncio.get_running_loop().time()
        why = f"{self.address} cannot be reached ({getattr(error, 'strerror', None) or error})"
        if not self.away:
            log.warning("rest: %s; trying again in a moment", why)
        self.away, self.aside_until = True, now + ASIDE_SECONDS
        return why

    async def close(self) -> None:
        """Let go of every connection."""
        if self.session is not None:
            await self.session.close()


async def note_sent(_: object, context: Any, params: aiohttp.TraceRequestHeadersSentParams) -> None:
    """A request has left."""
    context.trace_request_ctx.append(True)


@contextmanager
def explained(name: str) -> Iterator[None]:
    """What the errors of HTTP mean for a call: who has sent a request does not know what became of it."""
    try:
        yield
    except TimeoutError as error:
        raise OutcomeUnknown(f"{name}: there was no answer before the deadline.") from error
    except (aiohttp.ClientError, asyncio.IncompleteReadError) as error:
        raise OutcomeUnknown(f"{name}: the connection was lost before its answer came ({error}).") from error


async def within(deadline: float | None, work: Awaitable[T]) -> T:
    """What comes of it, until the deadline on the loop's clock."""
    async with asyncio.timeout_at(deadline):
        return await work


async def frames(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """The replies in a stream, each behind its length."""
    while head := await content.read(1):
        (length,) = LENGTH.unpack(head + await content.readexactly(LENGTH.size - 1))
        yield await content.readexactly(length)


async def lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """The lines of a stream; the last one must end, too."""
    rest = b""
    async for piece in content.iter_any():
        *found, rest = (rest + piece).split(b"\n")
        for line in found:
            if line.strip():
                yield line
    if rest.strip():
        raise asyncio.IncompleteReadError(rest, None)


PIECES = {PACKED: frames, LINES: lines}
"""How a stream is cut, by its media type."""

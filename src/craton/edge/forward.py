"""Forwarding: requests that another service answers are passed on to it as they are, and its answers back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self
from urllib.parse import quote, urlsplit

import httptools
from starlette.types import Message, Receive, Scope, Send

from craton.edge.problems import Problem

Headers = Sequence[tuple[bytes, bytes]]
HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade", b"expect", b"date",
})
"""What is said between two neighbours only (RFC 9110, section 7.6.1), and the date, which each server gives anew."""
FRAME = frozenset({b"content-length", b"host"})
"""What no Connection header may take away: else the body of a request would be read as the next request."""
FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
SIGNED = b"craton-peer"
"""By which services know each other; nobody outside says it."""
PIECE = 1 << 16
CONNECTING = 2.0
"""Seconds that a connection may take."""
IDLE = 32
"""Unused connections that are kept to one address."""


class Lost(Exception):
    """The connection to the service ended before its answer was complete."""


class Gone(Exception):
    """The client closed its connection."""


class Connection:
    """A connection to a service; it takes one request after the other. `used`: it has answered one; `kept`: it can take
    another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.used = self.kept = False

    def is_open(self) -> bool:
        """Whether the service has not closed it meanwhile."""
        return not (self.reader.at_eof() or self.writer.is_closing())

    def close(self) -> None:
        """Close it at once."""
        self.writer.transport.abort()


class Place:
    """One address of a service, and the connections to it that are not in use."""

    def __init__(self, address: str) -> None:
        self.address, self.busy = address, 0
        self.idle: list[Connection] = []

    async def connection(self) -> Connection:
        """A connection; OSError where nobody answers."""
        while self.idle:
            if (found := self.idle.pop()).is_open():
                return found
            found.close()
        async with asyncio.timeout(CONNECTING):
            if self.address.startswith("unix:"):
                return Connection(*await asyncio.open_unix_connection(self.address.removeprefix("unix:")))
            host, port, secure = host_of(self.address)
            return Connection(*await asyncio.open_connection(host, port, ssl=secure or None))

    @contextmanager
    def using(self, connection: Connection) -> Iterator[None]:
        """Count what is in progress."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1
            if connection.kept and len(self.idle) < IDLE:
                self.idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close what is not in use."""
        for connection in self.idle:
            connection.close()


class Exchange:
    """One request on its way, and its response, which is read as httptools finds it."""

    def __init__(self, connection: Connection, scope: Scope, receive: Receive, send: Send) -> None:
        self.connection, self.scope, self.receive, self.send = connection, scope, receive, send
        self.parser = httptools.HttpResponseParser(self)
        self.headers: list[tuple[bytes, bytes]] = []
        self.messages: list[Message] = []
        self.sent = self.bodied = self.begun = self.done = self.sized = self.kept = False
        """Whether the request is sent, had a body; the response has begun, is complete, has a length, keeps the
        connection."""

    async def run(self) -> bool:
        """Pass on both bodies as they come, and say whether the connection can be used again. Lost; Gone."""
        sending, reading = asyncio.create_task(self.upload()), asyncio.create_task(self.download())
        try:
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done() and isinstance(sending.exception(), Gone):
                raise Gone
            await reading  # what is sent to a service that has closed is lost, but it may have answered before
            return self.sent and self.kept
        except OSError as error:
            raise Lost from error
        finally:
            sending.cancel()
            reading.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)

    async def upload(self) -> None:
        """Send the request, then wait until the client goes away: Gone."""
        writer, chunked, more = self.connection.writer, is_chunked(self.scope["headers"]), True
        writer.write(head_of(self.scope, chunked=chunked))
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Gone
            body, more = message.get("body", b""), message.get("more_body", False)
            if body:
                self.bodied = True
                writer.write(b"%x\r\n%b\r\n" % (len(body), body) if chunked else body)
                await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
        self.sent = True
        while (await self.receive())["type"] != "http.disconnect":
            pass
        raise Gone

    async def download(self) -> None:
        """Read the response to its end, and send it on. Lost where the connection ends before."""
        while not self.done:
            data = await self.connection.reader.read(PIECE)
            if data:
                self.parse(data)
            elif self.begun and not self.sized:
                self.on_message_complete()  # its end is that of the connection
            else:
                raise Lost
            for message in self.messages:
                await self.send(message)
            self.messages.clear()

    def parse(self, data: bytes) -> None:
        """Take a piece of the response."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise Lost from error

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The response begins, unless this is only what comes before it (100, 103)."""
        status = self.parser.get_status_code()
        if status < 200:
            self.headers.clear()
            return
        bodyless = self.scope["method"] == "HEAD" or status in (204, 304)
        self.begun = True
        self.sized = bodyless or any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
        self.kept = self.sized and self.parser.should_keep_alive()
        self.messages.append({"type": "http.response.start", "status": status, "headers": passed_on(self.headers)})
        if bodyless:
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self.messages.append({"type": "http.response.body", "body": body, "more_body": True})

    def on_message_complete(self) -> None:
        """The end."""
        if self.begun and not self.done:
            self.done = True
            self.messages.append({"type": "http.response.body", "body": b"", "more_body": False})


class Forward:
    """An ASGI application that another service serves, at one of these addresses: the least busy one that answers.

    An async context manager. Raises Problem where it is away.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self.places = [Place(address) for address in addresses]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for place in self.places:
            place.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and its response back."""
        if scope["type"] == "websocket":
            from craton.edge.talk import talk

            await talk(min(self.places, key=lambda place: place.busy).address, scope, receive, send)
            return
        while True:
            try:
                place, connection = await self.connect()
            except OSError as error:
                raise Problem("not-run") from error
            if await self.answered(place, connection, scope, receive, send):
                return

    async def connect(self) -> tuple[Place, Connection]:
        """A connection to the least busy place that answers; OSError where none does."""
        failed = OSError("it has no address")
        for place in sorted(self.places, key=lambda place: place.busy):
            try:
                return place, await place.connection()
            except OSError as error:
                failed = error
        raise failed

    async def answered(
        self, place: Place, connection: Connection, scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Pass one request on over a connection. False where it may be passed on once more: the service had closed the
        connection, unused as it was, and the request is one that may be repeated."""
        exchange, connection.kept = Exchange(connection, scope, receive, send), False
        with place.using(connection):
            try:
                connection.used = connection.kept = await exchange.run()
            except Gone:
                return True
            except Lost as error:
                if exchange.begun:
                    raise  # so that the server breaks off, too, and the client knows that there was more
                safe = scope["method"] in ("GET", "HEAD")
                if connection.used and safe and exchange.sent and not exchange.bodied:  # a body is gone
                    return False
                raise Problem("not-run" if safe else "outcome-unknown") from error
        return True


def host_of(address: str) -> tuple[str, int, bool]:
    """The host and the port of "host:port", "http://host" and "https://host:port", and whether TLS is spoken there."""
    parts = urlsplit(address if "://" in address else f"http://{address}")
    secure = parts.scheme == "https"
    return parts.hostname or "", parts.port or (443 if secure else 80), secure


def head_of(scope: Scope, *, chunked: bool) -> bytes:
    """A request's first line and headers, as they go to the service."""
    lines = [b"%b %b HTTP/1.1" % (scope["method"].encode(), target_of(scope))]
    headers = passed_on([pair for pair in scope["headers"] if pair[0] not in (*FORWARDED, SIGNED)])
    lines += [b"%b: %b" % pair for pair in (*headers, *forwarded(scope))]
    return b"\r\n".join([*lines, *([b"transfer-encoding: chunked"] if chunked else []), b"", b""])


def target_of(scope: Scope) -> bytes:
    """What a request is for: path and query, as they came."""
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return path + b"?" + scope["query_string"] if scope["query_string"] else path


def forwarded(scope: Scope) -> Headers:
    """What the service is told of the client: its address after those that were told here, the scheme, the host."""
    told = {name: value for name, value in scope["headers"] if name in (b"host", *FORWARDED)}
    known = [told.get(b"x-forwarded-for"), (scope["client"] or [""])[0].encode()]
    return [
        (b"x-forwarded-for", b", ".join(part for part in known if part)),
        (b"x-forwarded-proto", told.get(b"x-forwarded-proto", scope["scheme"].encode())),
        (b"x-forwarded-host", told.get(b"host", b"")),
    ]


def passed_on(headers: Headers) -> Headers:
    """The headers that are meant for the other end."""
    named = b",".join(value for name, value in headers if name == b"connection").lower().split(b",")
    dropped = HOP_BY_HOP.union(name.strip() for name in named) - FRAME
    return [pair for pair in headers if pair[0] not in dropped]


def is_chunked(headers: Headers) -> bool:
    """Whether the length of a request's body is not known before its end."""
    return any(name == b"transfer-encoding" for name, _ in headers)

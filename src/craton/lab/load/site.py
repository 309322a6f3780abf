"""A site that is visited, over HTTP/1.1, with the least that a client can do: it is not what is to be measured."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import httptools


class Lost(ConnectionError):
    """The connection ended before the answer was whole. `silent`: not a byte of the answer had come."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__("connection lost")
        self.silent = silent


class Answer:
    """A response, read to its end. `cookies` are its Set-Cookie headers."""

    __slots__ = ("body", "cookies", "headers", "status")

    def __init__(self) -> None:
        self.status, self.body = 0, b""
        self.headers: Mapping[str, str] = {}
        self.cookies: list[str] = []

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Connection(asyncio.Protocol):
    """One connection, kept open; it takes one request at a time. `sent`, `received`: bytes of its requests and answers,
    heads included."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.sent = self.received = self.answers = 0
        self.open = False
        self.headed = False  # whether an answer has come whose body ends with the connection at the latest
        self.waiting: asyncio.Future[Answer] | None = None
        self.headers: dict[str, str] = {}
        self.cookies: list[str] = []
        self.parts: list[bytes] = []

    async def ask(self, request: bytes) -> Answer:
        """One request and its answer. Lost where the connection ends before; closed where nobody waits any more."""
        self.waiting = asyncio.get_running_loop().create_future()
        self.heard = self.received
        self.transport.write(request)
        self.sent += len(request)
        try:
            return await self.waiting
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """Close it at once."""
        self.open = False
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed: which is the end of an answer that has no other."""
        self.open = False
        if self.headed and "content-length" not in self.headers and "transfer-encoding" not in self.headers:
            self.on_message_complete()
        self.fail(Lost(silent=self.waiting is not None and self.received == self.heard))

    def data_received(self, data: bytes) -> None:
        """Some bytes of an answer."""
        self.received += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.fail(ConnectionError(f"no HTTP: {error}"))
            self.close()

    def fail(self, error: Exception) -> None:
        """There will be no answer."""
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_exception(error)

    def on_message_begin(self) -> None:
        """An answer begins."""
        self.headers, self.cookies, self.parts = {}, [], []

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of its head."""
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = text
        if key == "set-cookie":
            self.cookies.append(text)

    def on_headers_complete(self) -> None:
        """The body follows; one that only announces another answer (1xx) is none."""
        self.headed = self.parser.get_status_code() >= 200

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        self.parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if not self.headed:
            return
        self.headed = False
        answer = Answer()
        answer.status, answer.body = self.parser.get_status_code(), b"".join(self.parts)
        answer.headers, answer.cookies = self.headers, self.cookies
        self.answers += 1
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(answer)
        if self.open and not self.parser.should_keep_alive():
            self.open = False
            self.transport.close()


class Site:
    """Where visitors go. A whole answer must be there within `limit` seconds; `authority` is the file of a certificate
    to believe, beside those that the system does."""

    def __init__(self, url: str, *, limit: float = 10.0, authority: str | None = None) -> None:
        parts = urlsplit(url)
        self.limit, self.authority = limit, parts.netloc
        self.host, secure = parts.hostname or "", parts.scheme == "https"
        self.port = parts.port or (443 if secure else 80)
        self.tls = ssl.create_default_context() if secure else None
        if self.tls and authority:
            self.tls.load_verify_locations(authority)

    async def connect(self) -> Connection:
        """A new connection; OSError where nobody answers."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self.host, self.port, ssl=self.tls)
        return connection

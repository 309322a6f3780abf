"""HTTP/1.1 as the edge speaks it: uvicorn's protocol, made shorter, with limits, and with problems for its errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from craton.calls.codec import to_json
from craton.edge.exchange import Direct
from craton.edge.problems import MEDIA_TYPE, Problem

Pairs = Iterable[tuple[bytes, bytes]]
log = logging.getLogger("craton.edge")
BODILESS = (204, 304)
HEAD, BUSY, IDLE = "head", "busy", "idle"
"""What a connection is at: it waits for the rest of a request's head, answers one, or waits for the next."""


class TooMuch(Exception):
    """The head of a request is larger than a head may be."""


class Protocol(HttpToolsProtocol):
    """One connection. `head_limit`: bytes of a request's line and headers; `head_seconds`: how long they may take.

    One timer looks now and then whether it is still of use, in place of one for each request.
    """

    head_limit = 32 << 10
    head_seconds = 20.0
    most_connections = 10_000
    parser: httptools.HttpRequestParser  # it goes with the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection; where there are too many, it is told so, and closed."""
        super().connection_made(transport)
        self.size, self.phase, self.since = 0, IDLE, self.loop.time()
        self.heard, self.unheard = False, 0
        self.timeout_keep_alive_task = None
        if len(self.connections) > self.most_connections:
            self.refuse(Problem("not-run", "There are too many connections: try again."))
        else:
            self.look()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def look(self) -> None:
        """Close it where it has not said in time what it wants, or has been idle for long; else look again later."""
        passed = self.loop.time() - self.since
        if self.phase == HEAD and passed >= self.head_seconds:
            self.refuse(Problem("request-timeout"))
        elif self.phase == IDLE and passed >= self.timeout_keep_alive:
            self.transport.close()
        else:
            pause = min(self.head_seconds, self.timeout_keep_alive) / 4
            self.timeout_keep_alive_task = self.loop.call_later(pause, self.look)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        while data and not self.transport.is_closing():
            data = self.read(data)

    def read(self, data: bytes) -> bytes:
        """Read a piece; what of it is to be read again."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self.upgrade(data[upgrade.args[0]:])
        except httptools.HttpParserError as error:
            large = isinstance(error.__context__, TooMuch)
            self.refuse(Problem("head-too-large") if large else Problem("malformed", "This is no HTTP/1.1 request."))
            return b""
        if self.heard:
            self.heard, self.unheard = False, 0
        else:
            self.hold(len(data))
        return b""

    def hold(self, size: int) -> None:
        """Count what the parser keeps until it is complete: of a header, in head or trailer, it tells at its end."""
        self.unheard += size
        if self.unheard > self.head_limit:
            self.refuse(Problem("head-too-large"))

    def upgrade(self, rest: bytes) -> bytes:
        """A request that asks for another protocol. For one that is not spoken here, what is to be read again: the same
        request without that wish, which is then answered as any other (RFC 9110, section 7.8). The parser skips bodies
        where it sees the wish."""
        if self._should_upgrade():
            self._unset_keepalive_if_required()
            self.handle_websocket_upgrade()
            return b""
        lines = [b"%b: %b\r\n" % pair for pair in self.headers if pair[0] != b"upgrade"]
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        self.parser = httptools.HttpRequestParser(self)
        return b"".join((first, *lines, b"\r\n", rest))

    def refuse(self, problem: Problem) -> None:
        """Answer what is no request, and close the connection. A response that has begun is only broken off."""
        if self.cycle is None or self.cycle.response_complete:
            body = to_json(problem.body)
            told = {**problem.headers, "Content-Type": MEDIA_TYPE, "Content-Length": len(body), "Connection": "close"}
            head = "".join(f"{name}: {value}\r\n" for name, value in told.items()).encode()
            self.transport.write(STATUS_LINE[problem.status] + head + b"\r\n" + body)
        self.transport.close()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.url, self.size, self.expect_100_continue, self.heard = b"", 0, False, True
        self.phase, self.since = HEAD, self.loop.time()
        self.headers = []

    def on_url(self, url: bytes) -> None:
        """A part of its address."""
        self.url += url
        self.size += len(url)
        if self.size > self.head_limit:
            raise TooMuch

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        name, self.heard = name.lower(), True
        self.size += len(name) + len(value) + 4
        if self.size > self.head_limit:
            raise TooMuch
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """All of its head: the request is answered from now on."""
        self.phase = BUSY
        raw, _, query = self.url.partition(b"?")
        if not raw.startswith(b"/"):  # "http://host/path", or "*"
            parsed = httptools.parse_url(self.url)
            raw, query = parsed.path or b"/", parsed.query or b""
        path = raw.decode("latin-1")
        version = self.parser.get_http_version()
        self.scope = cast("Any", {
            "type": "http", "asgi": {"version": self.asgi_version, "spec_version": "2.3"}, "http_version": version,
            "server": self.server, "client": self.client, "scheme": self.scheme, "root_path": self.root_path,
            "method": self.parser.get_method().decode("latin-1"), "path": unquote(path) if "%" in path else path,
            "raw_path": raw, "query_string": query, "headers": self.headers, "state": {},
        })
        if self.parser.should_upgrade():
            return
        before, keep = self.cycle, version != "1.0" and self.parser.should_keep_alive()
        self.cycle = Cycle(self, keep_alive=keep)
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:  # a request that did not wait for the answer to the one before
            self.flow.pause_reading()
            self.pipeline.appendleft(cast("Any", (self.cycle, self.app)))

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self.heard = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """The response has been sent."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.phase == BUSY:
            self.phase, self.since = IDLE, self.loop.time()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Run the application in a task of its own, which the server waits for when it stops."""
        self.tasks.add(self.loop.create_task(cycle.run_asgi(app)))


def nothing() -> None:
    """What happens at the end of a response that has ended otherwise."""


class Cycle(RequestResponseCycle, Direct):
    """One request and its response, whose head leaves together with the first part of its body."""

    flow: FlowControl

    def __init__(self, connection: Protocol, *, keep_alive: bool) -> None:
        super().__init__(
            connection.scope, connection.transport, connection.flow, connection.logger, connection.access_logger,
            False, connection.server_state.default_headers, asyncio.Event(), connection.expect_100_continue,
            keep_alive, connection.on_response_complete,
        )
        self.head: tuple[int, Pairs] | None = None
        self.connection: Protocol | None = connection

    async def run_asgi(self, app: Any) -> None:
        """Run the application; what breaks in it, and was answered by nobody, is answered here."""
        connection, self.connection = self.connection, None
        assert connection
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:
            log.exception("%s %s failed", self.scope["method"], self.scope["path"])
        finally:
            if (task := asyncio.current_task()) is not None:
                connection.tasks.discard(task)
            if not self.response_complete and not self.disconnected:  # it is left unfinished, or never began
                begun, self.response_complete = self.response_started, True
                self.transport.close() if begun else connection.refuse(Problem("failed"))
            self.on_response = nothing

    async def send(self, message: Any) -> None:
        """Send a part of the response, as ASGI has it."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start" and not self.response_started:
            self.response_started, self.waiting_for_100_continue = True, False
            self.head = message["status"], message.get("headers", ())
        elif message["type"] == "http.response.body" and self.response_started and not self.response_complete:
            self.write(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"{message['type']} does not belong here.")

    def whole(self, status: int, headers: Pairs, body: bytes) -> bool:
        """Send a whole response at once, where nothing has to be waited for."""
        if self.response_started or self.disconnected or self.flow.write_paused:
            return False
        self.response_started, self.waiting_for_100_continue, self.head = True, False, (status, headers)
        self.write(body, more=False)
        return True

    def write(self, body: bytes, *, more: bool) -> None:
        """Write a part of the body, after the head where that is still to come."""
        parts: list[bytes] = []
        if self.head is not None:
            parts, self.head = self.opening(*self.head), None
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
        elif self.chunked_encoding:
            parts += [b"%x\r\n" % len(body), body, b"\r\n"] if body else []
            parts += [] if more else [b"0\r\n\r\n"]
        else:
            self.expected_content_length -= len(body)
            parts.append(body)
        if self.expected_content_length < 0 or (self.expected_content_length and not more):
            raise RuntimeError("The body has another length than its Content-Length says.")
        self.transport.write(b"".join(parts))
        if not more:
            self.complete()

    def complete(self) -> None:
        """The response is whole."""
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def opening(self, status: int, headers: Pairs) -> list[bytes]:
        """Status line and headers."""
        told, closes = (*self.default_headers, *headers), False
        for name, value in told:
            if name == b"content-length":
                self.expected_content_length, self.chunked_encoding = int(value), False
            elif name == b"connection":
                closes = closes or value.lower() == b"close"
        parts, lines = [STATUS_LINE[status], *[b"%b: %b\r\n" % pair for pair in told]], 2 + len(told)
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in BODILESS:
            self.chunked_encoding = True
            parts.append(b"transfer-encoding: chunked\r\n")
            lines += 1
        if not self.keep_alive and not closes:
            parts.append(b"connection: close\r\n")
            lines += 1
        self.keep_alive = self.keep_alive and not closes
        head = b"".join((*parts, b"\r\n"))
        if len(head.splitlines()) != lines:  # at \n, at \r and at both
            raise RuntimeError("A header holds the end of a line.")
        return [head]

"""The door of controllers: workers in any process, on any machine and in any language ask and report by HTTP.

`POST /jobs/v1/take` and `POST /jobs/v1/report`, in JSON, for those who have the workers' token. An ASGI application.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import msgspec

from craton.calls import codec
from craton.errors import CallError
from craton.tasks.control import Control
from craton.tasks.messages import BATCH, READ_REPORT, READ_REPORTS, READ_TAKE, Report, Verdict, Verdicts, encode

log = logging.getLogger("craton.tasks")
LARGEST = 16 << 20
"""Bytes of a request's body."""
Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


def token_of(secret: bytes) -> str:
    """The workers' token of an application, from its secret."""
    return hmac.new(secret, b"craton workers", sha256).hexdigest()


class Refused(Exception):
    """A request that is not answered as it was meant. `headers`: further ones of the answer."""

    def __init__(self, status: int, title: str, detail: str = "", **headers: str) -> None:
        self.status, self.title, self.detail, self.headers = status, title, detail, headers
        super().__init__(title)


class Gone(Exception):
    """Who asked has gone."""


class Door:
    """Answers workers for a Control. `token`: what they must bear."""

    def __init__(self, control: Control, token: str) -> None:
        self.control, self.token = control, f"Bearer {token}".encode()
        self.ways = {"/jobs/v1/take": self.take, "/jobs/v1/report": self.report}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            way = self.way(scope)
            kind, body = await way(await read(receive, scope), receive)
            await answer(send, 200, kind, body)
        except Refused as refused:
            await answer(send, refused.status, "application/problem+json", problem(refused), refused.headers)
        except CallError as error:
            why = Refused(503, "Not now", str(error))
            await answer(send, 503, "application/problem+json", problem(why), {"retry-after": "1"})
        except Gone:
            return

    def way(self, scope: Scope) -> Callable[[bytes, Receive], Awaitable[tuple[str, bytes]]]:
        """What answers a request; Refused where it may not be asked, or is none."""
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1 or not hmac.compare_digest(given[0], self.token):
            raise Refused(401, "Not a worker", "Send the workers' token: Authorization: Bearer ...",
                          **{"www-authenticate": "Bearer"})
        if scope["path"] not in self.ways:
            raise Refused(404, "Not found", f"There are {' and '.join(self.ways)}.")
        if scope["method"] != "POST":
            raise Refused(405, "Method not allowed", "POST it.", allow="POST")
        return self.ways[scope["path"]]

    async def take(self, body: bytes, receive: Receive) -> tuple[str, bytes]:
        """Jobs. Who goes away while he waits is given none."""
        asked = parsed(READ_TAKE, body)
        if not asked.worker or asked.room < 0 or asked.most < 0 or not asked.wait < float("inf"):
            raise Refused(400, "Malformed", "worker is a name; room, most and wait are no less than 0.")
        taking = asyncio.ensure_future(self.control.take(asked))
        leaving = asyncio.ensure_future(left(receive))
        try:
            await asyncio.wait({taking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not taking.done():
                taking.cancel()
        if leaving.done() and not taking.done():
            raise Gone
        return BATCH, encode(await taking)

    async def report(self, body: bytes, receive: Receive) -> tuple[str, bytes]:
        """Verdicts."""
        events = [event_of(raw) for raw in parsed(READ_REPORTS, body)]
        verdicts = iter(await self.control.report([event for event in events if event is not None]))
        found: list[Verdict] = ["refused" if event is None else next(verdicts) for event in events]
        return "application/json", encode(Verdicts(tuple(found)))


def parsed(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """What a body says."""
    try:
        return decoder.decode(body)
    except codec.MALFORMED as error:
        raise Refused(400, "Malformed", str(error)) from error


def event_of(raw: msgspec.Raw) -> Report | None:
    """One report of a batch; None, and it is said in the log, for one that is malformed."""
    try:
        return READ_REPORT.decode(raw)
    except codec.MALFORMED as error:
        log.warning("a malformed report was refused: %s", error)
        return None


def problem(refused: Refused) -> bytes:
    """What is said of it (RFC 9457)."""
    return msgspec.json.encode({"title": refused.title, "status": refused.status, "detail": refused.detail})


async def read(receive: Receive, scope: Scope) -> bytes:
    """The body of a request."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LARGEST:
            raise Refused(413, "Too large", f"A request has {LARGEST} bytes at most: report fewer jobs at once.")
    return bytes(body)


async def left(receive: Receive) -> None:
    """Returns when who asked has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer(
    send: Send, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None
) -> None:
    """Send an answer."""
    own = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
    pairs = [(name.encode(), value.encode()) for name, value in own.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})

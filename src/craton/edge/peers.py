"""What other services of the application are answered over HTTP: requests that one of them has signed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from craton.application import Application
from craton.calls import codec
from craton.calls.link import Handler, Replies, Reply, Request
from craton.calls.links.rest.headers import carried
from craton.calls.links.rest.places import LENGTH, LIMIT, OWN, PACKED
from craton.calls.links.rest.problems import details_of, kind_of
from craton.calls.links.rest.proof import DIGEST, PEER, WRONG, Once, Prover, digest_of
from craton.calls.receiver import error_of
from craton.edge.endpoint import while_connected
from craton.edge.exchange import Disconnected
from craton.edge.headers import version_in
from craton.edge.operation import Operation, operations
from craton.edge.problems import KINDS, MEDIA_TYPE, FaultProblem, Problem
from craton.errors import CallError, InvalidArguments, NotAllowed, NotAuthenticated, NotRun, StillRunning
from craton.sources import Clock

SIGNED, JSON = PEER.encode(), "application/json"
PATH = OWN.encode()
BODY_SECONDS = 20.0
"""Within which a body must have come; whether a peer sends it is known before."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a peer. `operation`: the method whose route it is at; None where it is beside the routes."""

    request: Request
    operation: Operation | None


class Peers:
    """An HTTP application that answers signed requests by `handler`, and leaves all others to `app`.

    So nobody without the secret sees any of this, whatever path they ask for. `grants`: what each service may ask,
    whatever it says that it needs.
    """

    def __init__(
        self, app: ASGIApp, application: Application, *, handler: Handler, secret: bytes, clock: Clock,
        grants: Callable[[str], frozenset[str] | None],
    ) -> None:
        self.app, self.application, self.handler, self.grants = app, application, handler, grants
        self.prover, self.once, self.clock = Prover(secret), Once(), clock
        self.queries = {f"{of.name}.{m.name}" for of, m in application.methods() if m.kind == "query"}
        self.routes = [(pattern_of(one), one) for one in fixed_first(operations(application))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Its work stops when the one who asked goes away."""
        if scope["type"] != "http" or not any(name == SIGNED for name, _ in scope["headers"]):
            await self.app(scope, receive, send)
            return
        try:
            asked = await self.read(scope, receive)
        except Disconnected:
            return
        except Problem as problem:
            await refuse(send, problem)
        except CallError as error:
            await refuse(send, problem_of(error), close=isinstance(error, NotAuthenticated))
        else:
            await while_connected(receive, self.answer(asked, send))

    # ------------------------------------------------------------------ what a peer asks

    async def read(self, scope: Scope, receive: Receive) -> Asked:
        """The call that a request asks for. Problem and CallError where it may not be made."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path, query, digest = scope["raw_path"], scope["query_string"], headers.get(DIGEST, "")
        target = (path + b"?" + query if query else path).decode("ascii")
        now = self.clock.now().timestamp()
        peer = self.prover.verify(headers[PEER], scope["method"], target, headers, digest, now=now)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await body_of(receive)
        except TimeoutError:
            raise Problem("request-timeout") from None
        if digest_of(body) != digest:
            raise NotAuthenticated(WRONG)
        found = self.find(scope, body, headers.get("if-match"))
        name = found.request.method
        if not (peer.may_ask(name) and {name, name.partition(".")[0]} & (self.grants(peer.service) or set())):
            why = f"it did not declare that it needs {name.partition('.')[0]}."
            raise NotAllowed(f"{peer.service or 'a client'} may not call {name}: {why}")
        request = msgspec.structs.replace(found.request, **carried(headers))
        if request.key is None and name not in self.queries:
            self.once.take(peer, now=now)
        return Asked(request, found.operation)

    def find(self, scope: Scope, body: bytes, seen: str | None) -> Asked:
        """The method at a path, and its arguments."""
        if scope["raw_path"].startswith(PATH):
            return Asked(Request(scope["path"].removeprefix(OWN), body), None)
        for pattern, operation in self.routes:
            found = pattern.fullmatch(scope["path"]) if operation.route.verb == scope["method"] else None
            if found:
                version = version_in(seen.encode(), needed=False) if seen else None
                reader, query = operation.reader, scope["query_string"]
                arguments = reader.read(found.groupdict(), query, body, version=version)
                return Asked(Request(operation.name, codec.encode_arguments(operation.method, arguments)), operation)
        raise NotRun(f"{scope['method']} {scope['path']} is no route: the two sides run different versions.")

    # ------------------------------------------------------------------ what it is answered

    async def answer(self, asked: Asked, send: Send) -> None:
        """Make the call, and send what came of it."""
        reply = await self.handler(asked.request)
        if not isinstance(reply, Reply):
            await stream(reply, send)
        elif asked.operation is None:
            status = 200 if reply.status in ("ok", "fault") else KINDS[kind_of(error_of(reply))][0]
            await respond(send, status, PACKED, codec.encode(reply))
        elif reply.status == "ok":
            await self.succeed(asked.operation, reply, send)
        else:
            await self.fail(asked.operation, reply, send)

    async def succeed(self, operation: Operation, reply: Reply, send: Send) -> None:
        """Send a result, as the edge does."""
        empty = operation.success == 204
        body = b"" if empty else codec.to_json(codec.decode(operation.method.result, reply.body))
        await respond(send, operation.success, "" if empty else JSON, body)

    async def fail(self, operation: Operation, reply: Reply, send: Send) -> None:
        """Send what there is in place of a result."""
        if reply.status == "fault":
            fault = codec.decode_fault(operation.method, reply.type, reply.body)
            assert fault is not None  # the receiver sends no others
            await refuse(send, FaultProblem(self.application.name, fault))
            return
        error = error_of(reply)
        if isinstance(error, StillRunning) and error.saga:
            await respond(send, 202, JSON, codec.to_json({"id": error.saga, "state": "running"}))
        else:
            await refuse(send, problem_of(error))


def problem_of(error: CallError) -> Problem:
    """An error as it is told to a service: whole, so that there it is the same again."""
    told: dict[str, Any] = details_of(error)
    return Problem(kind_of(error), str(error), **told)


def fixed_first(found: list[Operation]) -> list[Operation]:
    """Paths without parameters before those with: /stock/low is not the stock of "low"."""
    return sorted(found, key=lambda one: ["{" in part for part in one.route.path.split("/")])


def pattern_of(operation: Operation) -> re.Pattern[str]:
    """What the path of a request to it looks like."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(operation.route.path)))


async def body_of(receive: Receive) -> bytes:
    """The body, where it is not too large."""
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > LIMIT:
            raise InvalidArguments(f"a request may have {LIMIT:,} bytes.")
    return b"".join(parts)


async def respond(send: Send, status: int, media: str, body: bytes, **told: str) -> None:
    """Send an answer."""
    told |= {"content-length": str(len(body))} | ({"content-type": media} if media else {})
    headers = [(name.encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, problem: Problem, *, close: bool = False) -> None:
    """Send a problem, and `close` the connection where the body is not wanted."""
    told = {name.lower(): str(value) for name, value in problem.headers.items()}
    told |= {"connection": "close"} if close else {}
    await respond(send, problem.status, MEDIA_TYPE, codec.to_json(problem.body), **told)


async def stream(replies: Replies, send: Send) -> None:
    """Send replies as they are made, each behind its length."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", PACKED.encode())]})
    async with aclosing(replies):
        async for reply in replies:
            data = codec.encode(reply)
            await send({"type": "http.response.body", "body": LENGTH.pack(len(data)) + data, "more_body": True})
            await asyncio.sleep(0)  # else nobody would hear that the other side has gone
    await send({"type": "http.response.body", "body": b""})

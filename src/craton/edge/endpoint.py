"""Endpoints: one method of a contract each, from a request at the edge to its call, and from a result to the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from starlette.types import Receive

from craton.calls.ahead import Ahead
from craton.calls.codec import to_json
from craton.calls.context import NOBODY, Caller
from craton.edge.authentication import Tokens
from craton.edge.door import Door
from craton.edge.exchange import JSON, Disconnected, Exchange, Pair
from craton.edge.gate import Gate
from craton.edge.headers import admit, caller_of, is_known, key_of, trace_in, version_in, wait_of
from craton.edge.operation import Operation
from craton.edge.problems import FaultProblem, Problem, problem_of
from craton.errors import CallError, NotAllowed, StillRunning
from craton.values import Fault

END = object()
NOT_STORED: Pair = (b"cache-control", b"no-store")
ASK_AGAIN: Pair = (b"cache-control", b"private, no-cache")
log = logging.getLogger("craton.edge")


class Endpoint:
    """One method of a contract at the edge."""

    def __init__(self, door: Door, operation: Operation, *, tokens: Tokens, gate: Gate) -> None:
        self.door, self.operation, self.tokens, self.gate = door, operation, tokens, gate
        self.settings, self.method, self.reader = gate.settings, operation.method, operation.reader
        self.name, self.query, self.status = operation.name, operation.method.kind == "query", operation.success
        self.keyed = operation.method.kind != "query" and operation.method.keyed
        self.cache = NOT_STORED if operation.version is None else ASK_AGAIN

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. A query stops when the client goes away; what changes something goes on."""
        given, version = exchange.given, None
        caller = self.admitted(exchange)
        key = key_of(given.get(b"idempotency-key"), caller) if self.keyed else None
        if (seen := self.reader.version) is not None:
            version = version_in(given.get(b"if-match"), needed=seen.default is msgspec.NODEFAULT)
        body = b"" if self.reader.body is None else await body_of(exchange, self.gate)
        arguments = self.reader.read(exchange.path, exchange.scope["query_string"], body, version=version)
        ask = dict(caller=caller, key=key, timeout=self.settings.timeout, trace="")
        if b"prefer" in given:
            ask["timeout"] = wait_of(given[b"prefer"], default=self.settings.timeout, longest=self.settings.longest)
        if b"traceparent" in given:
            ask["trace"] = trace_in(given[b"traceparent"])
        work = self.answer(exchange, arguments, ask)
        if not self.query:
            await work
        elif not (begun := Ahead(work)).done:
            await while_connected(exchange.receive, begun)

    def admitted(self, exchange: Exchange) -> Caller:
        """Who asks, where they may, and not too often."""
        caller = counted(exchange, self.gate, self.tokens)
        if self.method.sign_in:
            self.gate.charge_sign_in(exchange)
        admit(caller, self.method.allow)
        return caller

    async def answer(self, exchange: Exchange, arguments: msgspec.Struct, ask: Mapping[str, Any]) -> None:
        """Make the call, and send what came of it."""
        result: Any = None
        try:
            result = await self.door.call(self.name, arguments, **ask)
            if self.method.streams:
                await self.lines(result, exchange)
            else:
                await self.success(result, exchange)
        except (Fault, CallError) as error:
            if exchange.begun:
                raise
            await self.failure(error, exchange)
        finally:
            if self.method.streams and result is not None:
                await close(result)

    async def success(self, result: Any, exchange: Exchange) -> None:
        """Send a result."""
        exchange.told.append(self.cache)
        if self.operation.version is not None:
            tag = b'"%d"' % getattr(result, self.operation.version)
            exchange.told.append((b"etag", tag))
            if b"if-none-match" in exchange.given and is_known(exchange.given[b"if-none-match"], tag):
                await exchange.answer(304)
                return
        if self.operation.paged and result.next_cursor is not None:
            exchange.told.append((b"link", following(exchange.scope, result.next_cursor)))
        await exchange.answer(self.status, b"" if self.status == 204 else to_json(result))

    async def lines(self, items: AsyncIterator[Any], exchange: Exchange) -> None:
        """Send a stream, as NDJSON. Its first item is awaited, so that what fails before it has a status; where it
        breaks off later the response is left unfinished, which every HTTP client notices."""
        item = await anext(items, END)
        told = [*exchange.told, NOT_STORED, (b"content-type", b"application/x-ndjson")]
        await exchange.send({"type": "http.response.start", "status": 200, "headers": told})
        while item is not END and exchange.scope["method"] != "HEAD":
            await exchange.send({"type": "http.response.body", "body": to_json(item) + b"\n", "more_body": True})
            item = await anext(items, END)
        await exchange.send({"type": "http.response.body", "body": b""})

    async def failure(self, error: Fault | CallError, exchange: Exchange) -> None:
        """Send what there is in place of a result."""
        if isinstance(error, Fault):
            if type(error) not in self.method.raises:
                raise error
            await exchange.refuse(FaultProblem(self.door.application.name, error))
        elif isinstance(error, StillRunning) and error.saga is not None:
            location = f"/sagas/{self.operation.module.name}/{error.saga}".encode()
            exchange.told += [(b"location", location), (b"retry-after", b"1")]
            await exchange.answer(202, to_json({"id": error.saga, "state": "running"}))
        else:
            problem = problem_of(error)
            if problem.status == 503:
                problem = Problem("not-run", f"{self.operation.module.name} cannot be asked now: ask again.")
            if problem.status >= 500:  # what is not told is logged
                level = logging.ERROR if problem.status == 500 else logging.WARNING
                log.log(level, "%s: %s (request %s)", self.name, error, exchange.id.decode())
            await exchange.refuse(problem)


def counted(exchange: Exchange, gate: Gate, tokens: Tokens) -> Caller:
    """Who asks; Problem where that was too often. Whose token is not valid counts by their address."""
    given, caller = exchange.given.get(b"authorization"), NOBODY
    try:
        if given is not None:
            caller = caller_of(given, tokens)
    finally:
        gate.charge(exchange, caller.subject)
    return caller


class SagaEndpoint:
    """Where a saga stands: what a 202 points at."""

    def __init__(self, door: Door, tokens: Tokens, modules: frozenset[str], *, gate: Gate) -> None:
        self.door, self.tokens, self.modules, self.gate = door, tokens, modules, gate

    async def __call__(self, exchange: Exchange) -> None:
        """Answer with the saga's status."""
        module, id = exchange.path["module"], exchange.path["id"]
        caller = counted(exchange, self.gate, self.tokens)
        try:
            known = module in self.modules and "\0" not in id  # which not every database can look for
            status = await self.door.saga(module, id, caller=caller) if known else None
        except NotAllowed as error:
            raise Problem("not-authenticated" if caller is NOBODY else "not-allowed", str(error)) from error
        except CallError as error:
            raise problem_of(error) from error
        if status is None:
            raise Problem("not-found", f"{module} has no saga {id}.")
        exchange.told.append(NOT_STORED)
        await exchange.answer(200, to_json(status))


def following(scope: Mapping[str, Any], cursor: str) -> bytes:
    """Where the next page is (RFC 8288): the same request, with another cursor."""
    given = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True)
    query = urlencode([*(pair for pair in given if pair[0] != "cursor"), ("cursor", cursor)])
    path: str = quote(scope["path"])
    return f'<{path}?{query}>; rel="next"'.encode()


async def body_of(exchange: Exchange, gate: Gate) -> bytes:
    """The body, where it is JSON, not too large, and arrives in time."""
    message = await exchange.receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise Disconnected
    if message.get("more_body", False):
        body = await rest_of(body, exchange, gate)
    if len(body) > gate.settings.body:
        raise too_large(gate.settings.body)
    if body and exchange.given.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON:
        raise Problem("unsupported-media-type", "Send a JSON object, with `Content-Type: application/json`.")
    return body


async def rest_of(body: bytes, exchange: Exchange, gate: Gate) -> bytes:
    """A body that comes in several parts."""
    more, most = True, gate.settings.body
    try:
        async with asyncio.timeout(gate.settings.patience):
            while more and len(body) <= most:
                message = await exchange.receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                body, more = body + message.get("body", b""), message.get("more_body", False)
    except TimeoutError:
        raise Problem("request-timeout") from None
    if len(body) > most:
        raise too_large(most)
    return body


def too_large(most: int) -> Problem:
    """What to answer to a body that is too large; the rest of it is not waited for."""
    return Problem("too-large", f"A body may have {most} bytes.", headers={"Connection": "close"})


async def while_connected(receive: Receive, work: Awaitable[None]) -> None:
    """Do the work, but stop it when the client goes away."""
    task, left = asyncio.current_task(), False
    assert task

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        await work
    except asyncio.CancelledError:
        if not left or task.uncancel():
            raise
    finally:
        watching.cancel()


async def close(stream: Any) -> None:
    """End a stream that may not have been read to its end."""
    if hasattr(stream, "aclose"):
        await stream.aclose()


Answer = Callable[[Exchange], Awaitable[None]]
"""What stands at a path under one verb. It raises Problem, or whatever a bug raises, which is then logged."""

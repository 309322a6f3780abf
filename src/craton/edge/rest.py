"""REST: the public HTTP face of an application; one route for each method of a contract that names one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as Path
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from craton.calls.codec import to_json
from craton.calls.context import NOBODY
from craton.edge.authentication import Tokens
from craton.edge.door import Door
from craton.edge.headers import admit, caller_of, first_of, key_of, trace_of, wait_of
from craton.edge.openapi import document
from craton.edge.operation import Operation, operations
from craton.edge.problems import Problem, fault_response, problem_of, problem_response
from craton.edge.site import Sites
from craton.errors import CallError, NotAllowed, NotRun, StillRunning
from craton.values import Fault

JSON = "application/json"
END = object()
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a call may take where the client does not say, and at most; bytes that a body may have."""

    timeout: float = 10.0
    longest: float = 60.0
    body: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Ask:
    """One call from outside, read and admitted."""

    arguments: msgspec.Struct
    options: Mapping[str, Any]


class Started:
    """Sends, and knows whether a response has begun: after that, there is no other."""

    def __init__(self, send: Send) -> None:
        self.send, self.yet = send, False

    async def __call__(self, message: Any) -> None:
        """Send on."""
        self.yet = True
        await self.send(message)


Answer = Callable[[Request, Started], Awaitable[None]]
"""What stands at a path under one verb. It raises Problem, or whatever a bug raises, which is then logged."""


class Lines:
    """A stream on its way out, as NDJSON; its first item is known, so that what fails before it has a status."""

    def __init__(self, first: Any, items: AsyncIterator[Any]) -> None:
        self.first, self.items = first, items

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Where it breaks off, the response is left unfinished, which every HTTP client notices."""
        headers = [(b"content-type", b"application/x-ndjson")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] != "HEAD" and self.first is not END:
            await self.line(send, self.first)
            async for item in self.items:
                await self.line(send, item)
        await send({"type": "http.response.body", "body": b""})

    async def line(self, send: Send, item: Any) -> None:
        """Send one item."""
        await send({"type": "http.response.body", "body": to_json(item) + b"\n", "more_body": True})


class Endpoint:
    """One method of a contract at the edge."""

    def __init__(self, door: Door, operation: Operation, *, tokens: Tokens, limits: Limits) -> None:
        self.door, self.operation, self.tokens, self.limits = door, operation, tokens, limits
        self.query, self.status = operation.method.kind == "query", operation.success

    async def __call__(self, request: Request, send: Started) -> None:
        """Answer one request. A query stops when the client goes away; what changes something goes on."""
        ask = await self.read(request)
        work = self.answer(ask, request, send)
        await (while_connected(request.receive, work) if self.query else work)

    async def read(self, request: Request) -> Ask:
        """The call that a request asks for; raises Problem."""
        method = self.operation.method
        caller = caller_of(request, self.tokens)
        admit(caller, method.allow)
        key = None if self.query else key_of(request, caller)
        body = b"" if self.operation.reader.body is None else await body_of(request, most=self.limits.body)
        arguments = self.operation.reader.read(request.path_params, request.scope["query_string"], body)
        timeout = wait_of(request, default=self.limits.timeout, longest=self.limits.longest)
        return Ask(arguments, dict(caller=caller, key=key, timeout=timeout, trace=trace_of(request)))

    async def answer(self, ask: Ask, request: Request, send: Started) -> None:
        """Make the call, and send what came of it."""
        result: Any = None
        try:
            result = await self.door.call(self.operation.name, ask.arguments, **ask.options)
            first = await anext(result, END) if self.operation.method.streams else None
            if self.operation.method.streams:
                await reply(Lines(first, result), request, send)
            else:
                await self.success(result, request, send)
        except (Fault, CallError) as error:
            if send.yet:
                raise
            await reply(self.failure(error), request, send)
        finally:
            if self.operation.method.streams and result is not None:
                await close(result)

    async def success(self, result: Any, request: Request, send: Started) -> None:
        """Send a result, without making an object of Starlette's for it."""
        body, headers = b"", list[tuple[bytes, bytes]]()
        if self.status != 204:
            body = to_json(result)
            headers = [(b"content-length", b"%d" % len(body)), (b"content-type", JSON.encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})

    def failure(self, error: Fault | CallError) -> Response:
        """What to answer in place of a result."""
        if isinstance(error, Fault):
            if type(error) not in self.operation.method.raises:
                raise error
            return fault_response(self.door.application.name, error)
        if isinstance(error, StillRunning) and error.saga is not None:
            return accepted(f"/sagas/{self.operation.module.name}/{error.saga}", error.saga)
        problem = problem_of(error)
        if problem.status >= 500:  # what is not told is logged
            log.log(logging.ERROR if problem.status == 500 else logging.WARNING, "%s: %s", self.operation.name, error)
        return problem_response(problem)


def accepted(location: str, saga: str) -> Response:
    """The answer for a saga that goes on after the deadline."""
    headers = {"Location": location, "Retry-After": "1"}
    return Response(to_json({"id": saga, "state": "running"}), 202, headers, JSON)


class Resource:
    """All that stands at one path, by verb. Every error of a request ends here."""

    def __init__(self, verbs: Mapping[str, Answer]) -> None:
        self.verbs = verbs
        self.allow = ", ".join(sorted({*verbs, *(["HEAD"] if "GET" in verbs else [])}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever it holds."""
        request = Request(scope, receive, send)
        started = Started(send)
        try:
            await self.take(request, started)
        except ClientDisconnect:
            return
        except Problem as problem:
            await reply(problem_response(problem), request, send)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            if not started.yet:
                await reply(problem_response(Problem("failed")), request, send)

    async def take(self, request: Request, send: Started) -> None:
        """Give the request to what stands here for its verb."""
        found = self.verbs.get("GET" if request.method == "HEAD" else request.method)
        if found is None:
            raise Problem("method-not-allowed", f"It takes {self.allow}.", headers={"Allow": self.allow})
        await found(request, send)


async def reply(response: ASGIApp, request: Request, send: Send) -> None:
    """Send a response: to HEAD, without its body."""
    if request.method == "HEAD" and isinstance(response, Response):
        response.body = b""
    await response(request.scope, request.receive, send)


async def body_of(request: Request, *, most: int) -> bytes:
    """The body, where it is JSON and not too large."""
    body, more = b"", True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body, more = body + message.get("body", b""), message.get("more_body", False)
        if len(body) > most:
            raise Problem("too-large", f"A body may have {most} bytes.", headers={"Connection": "close"})
    if body and (first_of(request, b"content-type") or "").partition(";")[0].strip().lower() != JSON:
        raise Problem("unsupported-media-type", "Send a JSON object, with `Content-Type: application/json`.")
    return body


async def while_connected(receive: Receive, work: Awaitable[None]) -> None:
    """Do the work, but stop it when the client goes away."""
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(disconnected(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        gone.cancel()
        if working.cancel():
            await asyncio.wait({working})


async def close(stream: Any) -> None:
    """End a stream that may not have been read to its end."""
    if hasattr(stream, "aclose"):
        await stream.aclose()


async def disconnected(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


class SagaEndpoint:
    """Where a saga stands: what a 202 points at."""

    def __init__(self, door: Door, tokens: Tokens, modules: Collection[str] | None) -> None:
        self.door, self.tokens = door, tokens
        self.modules = {m.name for m in door.application.modules if modules is None or m.name in modules}

    async def __call__(self, request: Request, send: Started) -> None:
        """Answer with the saga's status."""
        module, id = request.path_params["module"], request.path_params["id"]
        caller = caller_of(request, self.tokens)
        try:
            status = await self.door.saga(module, id, caller=caller) if module in self.modules else None
        except NotAllowed as error:
            raise Problem("not-authenticated" if caller is NOBODY else "not-allowed", str(error)) from error
        except CallError as error:
            raise problem_of(error) from error
        if status is None:
            raise Problem("not-found", f"{module} has no saga {id}.")
        await reply(Response(to_json(status), media_type=JSON, headers={"Cache-Control": "no-store"}), request, send)


def fixed(body: bytes) -> Answer:
    """What answers the same to everyone."""

    async def answer(request: Request, send: Started) -> None:
        await reply(Response(body, media_type=JSON), request, send)

    return answer


def readiness(door: Door) -> Answer:
    """Whether this process takes calls."""

    async def answer(request: Request, send: Started) -> None:
        if not await door.ready():
            raise problem_of(NotRun("not ready"))
        await reply(Response(b'{"status":"ready"}', media_type=JSON), request, send)

    return answer


async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer to requests for paths where nothing stands."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
    else:
        await reply(problem_response(Problem("not-found")), Request(scope, receive, send), send)


def edge(
    door: Door, tokens: Tokens, *, limits: Limits | None = None, sites: Mapping[str, ASGIApp] | None = None,
    modules: Collection[str] | None = None,
) -> ASGIApp:
    """The ASGI application that serves these modules of the door's application, or all: by their routes, or by their
    sites, by path, which get what no route answers."""
    found = operations(door.application)
    places: dict[str, dict[str, Answer]] = {
        "/health/live": {"GET": fixed(b'{"status":"live"}')},
        "/health/ready": {"GET": readiness(door)},
        "/openapi.json": {"GET": fixed(to_json(document(door.application, found)))},
        "/sagas/{module}/{id}": {"GET": SagaEndpoint(door, tokens, modules)},
    }
    for operation in found if modules is None else [one for one in found if one.module.name in modules]:
        endpoint = Endpoint(door, operation, tokens=tokens, limits=limits or Limits())
        places.setdefault(operation.route.path, {})[operation.route.verb] = endpoint
    # fixed parts before parameters: /stock/low is not the stock of "low"
    paths = sorted(places, key=lambda path: ["{" in part for part in path.split("/")])
    resources = {path: Resource(places[path]) for path in paths}
    otherwise = Sites(sites, otherwise=nowhere) if sites else nowhere
    router = Router([Path(path, resources[path]) for path in paths], redirect_slashes=False, default=otherwise)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found = resources.get(scope["path"]) if scope["type"] == "http" and not scope.get("root_path") else None
        if found is None or "{" in scope["path"]:
            await router(scope, receive, send)
        else:  # a path without parameters need not be searched for
            scope["path_params"] = {}
            await found(scope, receive, send)

    return app

"""Sites: the ASGI applications of modules, each under its path; what no contract route answers is theirs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from craton.calls.context import CONTEXT, NOBODY, Caller, Context
from craton.edge.admission import Admission, Place
from craton.edge.authentication import Tokens
from craton.edge.headers import trace_in
from craton.edge.problems import FaultProblem, Problem, problem_of
from craton.errors import CallError, NotAuthenticated
from craton.values import Fault

SECONDS = 10.0
"""Within which what a request asks of modules must be answered, as far as its response has not begun; counted from the
last of its body that has come, since that may be long."""
LOOKS = ("GET", "HEAD", "OPTIONS")
"""By which nothing is changed, and nobody tries a password."""
BUSY = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>Too busy</title><h1>Too busy</h1>"
    b"<p>There is more to do at the moment than can be done. Nothing was changed: please try again in a few seconds."
)
"""The page for who is refused, since a browser shows it as it is."""
log = logging.getLogger(__name__)


class Site:
    """One ASGI application, run as a call from outside: with a deadline, a trace, and the caller of a bearer token.

    A token that is not valid is no error here: it may be one that the application issued itself. Requests wait for
    their `admission`, WebSockets do not.
    """

    def __init__(
        self, app: ASGIApp, *, application: str, tokens: Tokens, state: Mapping[str, Any], admission: Admission,
    ) -> None:
        self.app, self.application, self.tokens, self.state = app, application, tokens, state
        self.admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or talk over one WebSocket. Raises Problem for what the application did not answer, and
        what it raises itself."""
        if scope["type"] != "http":
            await self.run(scope, receive, send)
            return
        try:
            place = await self.admission.enter(changes=scope["method"] not in LOOKS)
        except Problem as problem:
            if not any(name == b"accept" and b"text/html" in value for name, value in scope["headers"]):
                raise
            await busy(problem, send)
            return
        begun = Begun(send, place)
        try:
            await self.run(scope, Arriving(receive), begun)
        finally:
            place.leave(begun=begun.yet)

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application. What it asks for has no deadline of its own where it talks over a WebSocket."""
        given = dict(scope["headers"])
        deadline = asyncio.get_running_loop().time() + SECONDS if scope["type"] == "http" else None
        caller = bearer_of(given.get(b"authorization", b""), self.tokens)
        now = Context(caller=caller, deadline=deadline, trace=trace_in(given.get(b"traceparent", b"")))
        token = CONTEXT.set(now)
        try:
            await self.app({**scope, "state": dict(self.state)}, receive, send)
        except Fault as fault:
            raise FaultProblem(self.application, fault) from fault
        except CallError as error:
            raise problem_of(error) from error
        except Exception as error:
            if type(error).__name__ != "ClientDisconnect":  # by which Starlette says that nobody hears the answer
                raise
        finally:
            CONTEXT.reset(token)


class Arriving:
    """Receives. As long as the body comes, time does not run."""

    def __init__(self, receive: Receive) -> None:
        self.receive, self.more = receive, True

    async def __call__(self) -> Message:
        """The next message."""
        message = await self.receive()
        now = CONTEXT.get()
        if self.more and now.deadline is not None and message["type"] == "http.request":
            self.more = message.get("more_body", False)
            CONTEXT.set(replace(now, deadline=asyncio.get_running_loop().time() + SECONDS))
        return message


class Begun:
    """Sends. Once a response has begun it may last: what is asked from then on has no deadline but its own, and takes
    up nobody's place."""

    def __init__(self, send: Send, place: Place) -> None:
        self.send, self.place, self.yet = send, place, False

    async def __call__(self, message: Message) -> None:
        """Send on."""
        if not self.yet:
            self.yet = True
            self.place.leave(begun=True)
            CONTEXT.set(replace(CONTEXT.get(), deadline=None))
        await self.send(message)


async def busy(problem: Problem, send: Send) -> None:
    """A page in place of the problem."""
    headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    headers += [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"%d" % len(BUSY))]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": BUSY})


def bearer_of(given: bytes, tokens: Tokens) -> Caller:
    """Whose bearer token it is; NOBODY without one that is valid here."""
    scheme, _, token = given.decode("latin-1").partition(" ")
    try:
        return tokens.verify(token.strip()) if scheme.lower() == "bearer" else NOBODY
    except NotAuthenticated:
        return NOBODY


class Sites:
    """All sites of an edge, by path: the longest path that a request is under gets it."""

    def __init__(self, sites: Mapping[str, ASGIApp], *, otherwise: ASGIApp) -> None:
        self.sites = sorted(sites.items(), key=lambda pair: len(pair[0]), reverse=True)
        self.otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give the request to its site."""
        path, root = scope["path"], scope.get("root_path", "")
        below = path.removeprefix(root) if root else path
        for place, app in self.sites:
            if place == "/":
                await app(scope, receive, send)
                return
            if below.startswith(f"{place}/"):
                await app({**scope, "root_path": root + place}, receive, send)
                return
            if below == place and scope["type"] == "http":
                await redirect(scope, send)
                return
        await self.otherwise(scope, receive, send)


async def redirect(scope: Scope, send: Send) -> None:
    """From "/admin" to "/admin/", where the site begins: links that are relative then lead into it."""
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    location = scope["path"].rpartition("/")[2].encode() + b"/" + query
    headers = [(b"location", location), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})

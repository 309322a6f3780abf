"""Sites: the ASGI applications of modules, each under its path; what no contract route answers is theirs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from starlette.datastructures import URL
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from craton.calls.context import CONTEXT, NOBODY, Caller, Context
from craton.edge.authentication import Tokens
from craton.edge.headers import first_of, trace_of
from craton.edge.problems import Problem, fault_response, problem_of, problem_response
from craton.errors import CallError, NotAuthenticated
from craton.values import Fault

SECONDS = 10.0
"""Within which what a request asks of modules must be answered, as far as its response has not begun."""
OURS = ("app", "endpoint", "path_params", "route", "router")
"""What Starlette leaves in the scope on its way through the edge, and would take for its own in an application."""
log = logging.getLogger(__name__)


class Site:
    """One ASGI application, run as a call from outside: with a deadline, a trace, and the caller of a bearer token.

    A token that is not valid is no error here: it may be one that the application issued itself.
    """

    def __init__(self, app: ASGIApp, *, application: str, tokens: Tokens, state: Mapping[str, Any]) -> None:
        self.app, self.application, self.tokens, self.state = app, application, tokens, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or talk over one WebSocket, whose calls have no deadline of their own."""
        request = HTTPConnection(scope)
        deadline = asyncio.get_running_loop().time() + SECONDS if scope["type"] == "http" else None
        now = Context(caller=bearer_of(request, self.tokens), deadline=deadline, trace=trace_of(request))
        token, begun = CONTEXT.set(now), Begun(send)
        try:
            await self.app({**scope, "state": dict(self.state)}, receive, begun)
        except Exception as error:  # an application gets an answer to its client, whatever breaks in it
            if not isinstance(error, CallError | Fault):
                log.exception("%s failed", scope["path"])
            if begun.yet or scope["type"] != "http":
                return
            await self.failure(error)(scope, receive, send)
        finally:
            CONTEXT.reset(token)

    def failure(self, error: Exception) -> ASGIApp:
        """What to answer in place of a page."""
        if isinstance(error, Fault):
            return fault_response(self.application, error)
        return problem_response(problem_of(error) if isinstance(error, CallError) else Problem("failed"))


class Begun:
    """Sends. Once a response has begun it may last: what is asked from then on has no deadline but its own."""

    def __init__(self, send: Send) -> None:
        self.send, self.yet = send, False

    async def __call__(self, message: Message) -> None:
        """Send on."""
        if not self.yet:
            self.yet = True
            CONTEXT.set(replace(CONTEXT.get(), deadline=None))
        await self.send(message)


def bearer_of(request: HTTPConnection, tokens: Tokens) -> Caller:
    """Whose bearer token it is; NOBODY without one that is valid here."""
    scheme, _, token = (first_of(request, b"authorization") or "").partition(" ")
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
        scope = {name: value for name, value in scope.items() if name not in OURS}
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
                await RedirectResponse(URL(scope=scope).replace(path=f"{path}/"))(scope, receive, send)
                return
        await self.otherwise(scope, receive, send)

"""One request at the edge and its response: what was given, what every answer is told besides, and whether it began."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from starlette.types import Receive, Scope, Send

from craton.calls.codec import to_json
from craton.edge.admission import Place
from craton.edge.problems import MEDIA_TYPE, Problem

Pair = tuple[bytes, bytes]
JSON = b"application/json"
SANE = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
"""Request ids that are taken from the client: they end up in logs, and in a URN."""
STEM, NUMBERS = os.urandom(6).hex().encode(), count(1)
"""What makes request ids unique: something by chance for each process, and a number."""


class Disconnected(Exception):
    """The client has gone: nobody hears the answer."""


class Direct:
    """Who sends what an application says, and takes a whole response at once, for less than its two messages cost."""

    def whole(self, status: int, headers: Sequence[Pair], body: bytes) -> bool:
        """Send it; False where it has to be said by messages."""
        raise NotImplementedError


class Exchange:
    """One request and its response. `given`: the headers, those that came several times joined; `told`: those of the
    response so far; `path`: the parameters in the path; `id` names it in problems and logs; `place`: what it takes up
    until its response begins."""

    __slots__ = ("begun", "given", "id", "path", "place", "receive", "scope", "sending", "told")

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, common: Iterable[Pair]) -> None:
        self.scope, self.receive, self.sending, self.begun = scope, receive, send, False
        headers = scope["headers"]
        self.given: dict[bytes, bytes] = dict(headers)
        if len(self.given) != len(headers):
            self.given = joined(headers)
        asked = self.given.get(b"x-request-id")
        self.id = asked if asked is not None and SANE.fullmatch(asked) else b"%b-%d" % (STEM, next(NUMBERS))
        self.told = [*common, (b"x-request-id", self.id)]
        self.path: dict[str, str] = {}
        self.place: Place | None = None

    async def send(self, message: Any) -> None:
        """Send a message of ASGI, as it is."""
        self.begun = True
        if self.place is not None:
            self.place.leave(begun=True)
        await self.sending(message)

    async def answer(self, status: int, body: bytes = b"", *, media: bytes = JSON) -> None:
        """Send a whole response; to HEAD, without its body."""
        told = self.told
        if body:
            told += ((b"content-length", b"%d" % len(body)), (b"content-type", media))
        body, self.begun = b"" if self.scope["method"] == "HEAD" else body, True
        sender = getattr(self.sending, "__self__", None)  # unless somebody stands between, who listens to messages
        if not (isinstance(sender, Direct) and sender.whole(status, told, body)):
            await self.sending({"type": "http.response.start", "status": status, "headers": told})
            await self.sending({"type": "http.response.body", "body": body, "more_body": False})

    async def refuse(self, problem: Problem) -> None:
        """Send a problem. `instance` tells support which request it was."""
        self.told += [(name.lower().encode(), str(value).encode()) for name, value in problem.headers.items()]
        body = problem.body | {"instance": f"urn:craton:request:{self.id.decode()}"}
        await self.answer(problem.status, to_json(body), media=MEDIA_TYPE.encode())

    async def send_shielded(self, message: Any) -> None:
        """Send a message of an application's own, whose response is told what every response is told, but for what the
        application says itself."""
        if message["type"] == "http.response.start":
            own = list(message.get("headers", ()))
            said = {name.lower() for name, _ in own} - {b"vary"}  # of which both are to be told
            message = {**message, "headers": [*own, *(pair for pair in self.told if pair[0] not in said)]}
        await self.send(message)


def joined(headers: Sequence[Pair]) -> dict[bytes, bytes]:
    """Headers by name; what came several times is one list (RFC 9110, section 5.2)."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = found[name] + b", " + value if name in found else value
    return found

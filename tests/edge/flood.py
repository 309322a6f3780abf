"""A flood of requests upon a slow application, in time that jumps: what takes minutes is counted in a moment."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from craton.edge.admission import Admission
from craton.edge.authentication import Tokens
from craton.edge.rest import edge
from craton.edge.settings import EdgeSettings
from craton.edge.site import Site
from tests.edge.desk import TOKENS, Service

T = TypeVar("T")
UNIT = 0.01
"""Seconds of work of a page; the application does one piece of work after another."""
FREE = EdgeSettings(rate=0, sign_ins=0)
"""So that one address may send all that it likes."""


class Jumping(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while something is done, and jumps to what is due next."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(Jumper(self))

    def time(self) -> float:
        """Seconds since it began."""
        return self.now


class Jumper(selectors.SelectSelector):
    """Waits for nothing."""

    def __init__(self, loop: Jumping) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> Any:
        """What has come; time has passed meanwhile."""
        self.loop.now += max(0.0, timeout or 0.0)
        return super().select(0)


def in_no_time(work: Coroutine[Any, Any, T]) -> T:
    """Its result, however long it takes by the clock of its loop."""
    with asyncio.Runner(loop_factory=Jumping) as runner:
        return runner.run(work)


class Slow:
    """An application that does one piece of work after another: `/page` is one, `/order` ten. `/away` waits for
    something elsewhere for as long as `away` says."""

    def __init__(self) -> None:
        self.processor, self.away = asyncio.Lock(), 5.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["path"] == "/away":
            await asyncio.sleep(self.away)
        for _ in range(10 if scope["path"] == "/order" else 1):
            async with self.processor:
                await asyncio.sleep(UNIT)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


def edge_of(app: ASGIApp, admission: Admission, *, settings: EdgeSettings = FREE) -> ASGIApp:
    """The edge in front of an application."""
    tokens = Tokens(b"a secret that only tests know", "slow")
    site = Site(app, application="slow", tokens=tokens, state={}, admission=admission)
    return edge(Service(), TOKENS, settings=settings, sites={"/": site}, admission=admission)


class Answered:
    """What a request was answered, and when: it was sent `at`, and took so many `seconds` to its first byte."""

    def __init__(self, path: str) -> None:
        self.path, self.at = path, asyncio.get_running_loop().time()
        self.status, self.seconds, self.headers, self.body = 0, 0.0, dict[bytes, bytes](), b""

    async def send(self, message: Message) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            self.seconds = asyncio.get_running_loop().time() - self.at
        else:
            self.body += message.get("body", b"")


async def ask(app: ASGIApp, path: str, *, method: str = "GET") -> Answered:
    """Send one request."""
    answered = Answered(path)
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [], "client": ("10.0.0.7", 41234), "scheme": "http",
    }
    await app(scope, nothing_more, answered.send)
    return answered


async def nothing_more() -> Message:
    """A request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def flood(app: ASGIApp, stages: Mapping[float, float], *, orders: int = 20) -> list[Answered]:
    """Requests at rates a second, each from a second until that of the next one; the last rate is 0. Every so many
    requests is one for an `/order`."""
    loop, asked = asyncio.get_running_loop(), list[asyncio.Task[Answered]]()
    ends = [*list(stages)[1:], 0.0]
    for (_, rate), end in zip(stages.items(), ends, strict=True):
        while rate and loop.time() < end:
            asked.append(loop.create_task(ask(app, "/page" if len(asked) % orders else "/order")))
            await asyncio.sleep(1 / rate)
    return [await task for task in asked]

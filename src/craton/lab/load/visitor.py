"""A visitor of a site: a browser's cookies and connections, and what it counts."""

from __future__ import annotations

import asyncio
import json as encoding
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from craton.lab.load.site import Answer, Connection, Lost, Site

NOTHING: Mapping[str, str] = {}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


class Unwanted(Exception):
    """An answer with a status that the action did not expect."""

    def __init__(self, status: int, path: str) -> None:
        self.status = status
        super().__init__(f"{status} at {place(path)}")


class NoAnswer(Exception):
    """No whole answer came; the message says why."""


class Guest:
    """One visitor: see `Visitor` of lab/scenario.py, which this is. Cookies hold for the whole site; where an action
    asks for several things at once, it has as many connections."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site, self.chance = site, random.Random(seed)
        self.memory: dict[str, Any] = {}
        self.cookies: dict[str, str] = {}
        self.idle: list[Connection] = []
        self.requests = self.sent = self.received = 0

    async def get(self, path: str, *, expect: tuple[int, ...] = (200,), headers: Mapping[str, str] = NOTHING) -> Answer:
        """Ask for a page."""
        return await self.ask("GET", path, b"", expect, headers)

    async def post(
        self, path: str, *, form: Mapping[str, str] | None = None, json: object = None,
        expect: tuple[int, ...] = (200, 201, 204, 303), headers: Mapping[str, str] = NOTHING,
    ) -> Answer:
        """Send a form, or JSON."""
        kind, body = (FORM, urlencode(form)) if form is not None else (JSON, encoding.dumps(json))
        return await self.ask("POST", path, body.encode(), expect, {"content-type": kind, **headers})

    async def ask(
        self, method: str, path: str, body: bytes, expect: tuple[int, ...], headers: Mapping[str, str]
    ) -> Answer:
        """One request. Unwanted where its answer has another status, NoAnswer where there is none in time."""
        self.requests += 1
        request = self.head(method, path, headers, len(body)) + body
        try:
            async with asyncio.timeout(self.site.limit):
                answer = await self.answered(request, again=method == "GET")
        except TimeoutError as error:
            raise NoAnswer(f"no response within {self.site.limit:g} s") from error
        except OSError as error:
            raise NoAnswer(reason(error)) from error
        self.remember(answer.cookies)
        if answer.status not in expect:
            raise Unwanted(answer.status, path)
        return answer

    def head(self, method: str, path: str, headers: Mapping[str, str], size: int) -> bytes:
        """The head of a request."""
        lines = [f"{method} {path} HTTP/1.1\r\nhost: {self.site.authority}\r\naccept: text/html, */*\r\n"]
        if self.cookies:
            lines.append(f"cookie: {'; '.join(f'{name}={value}' for name, value in self.cookies.items())}\r\n")
        if method == "POST":
            lines.append(f"content-length: {size}\r\n")
        lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        return "".join((*lines, "\r\n")).encode()

    async def answered(self, request: bytes, *, again: bool) -> Answer:
        """An answer. A connection that the site closes just then, as it may while nothing happens, is no failure of
        what may be asked `again` (RFC 9110, section 9.2.2)."""
        connection = await self.connection()
        used, before = connection.answers, (connection.sent, connection.received)
        try:
            return await connection.ask(request)
        except Lost as lost:
            if not (again and used and lost.silent):
                raise
        finally:
            self.sent += connection.sent - before[0]
            self.received += connection.received - before[1]
            if connection.open:
                self.idle.append(connection)
        return await self.answered(request, again=again)

    async def connection(self) -> Connection:
        """One that is open and not in use, or a new one."""
        while self.idle:
            if (found := self.idle.pop()).open:
                return found
        return await self.site.connect()

    def remember(self, cookies: list[str]) -> None:
        """Keep cookies, and forget those that are taken back."""
        for line in cookies:
            pair, *attributes = line.split(";")
            name, _, value = pair.strip().partition("=")
            if any(each.strip().lower() == "max-age=0" for each in attributes):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    def leave(self) -> None:
        """Close all connections."""
        for connection in self.idle:
            connection.close()
        self.idle.clear()


@asynccontextmanager
async def visit(
    url: str, *, seed: int = 0, limit: float = 10.0, authority: str | None = None
) -> AsyncIterator[Guest]:
    """A visitor in this process."""
    guest = Guest(Site(url, limit=limit, authority=authority), seed)
    try:
        yield guest
    finally:
        guest.leave()


def place(path: str) -> str:
    """A path, as far as it is the same for many: "/product/..."."""
    first, _, rest = path.partition("?")[0].removeprefix("/").partition("/")
    return f"/{first}/..." if rest else f"/{first}"


def reason(error: OSError) -> str:
    """Why there is no answer, in few words."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionError):
        return "connection lost" if error.errno else str(error)
    return f"no connection: {error.strerror or error}"

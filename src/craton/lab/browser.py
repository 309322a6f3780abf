"""A browser: asks for one thing under one key until it has a final answer, by the rules that a client is given."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

UNAVAILABLE = (503, 504)


class Stuck(Exception):
    """There was no final answer for so long that something must be wrong, whatever has befallen the store."""


class Cut(Exception):
    """There is no whole response: the connection was refused, cut, or silent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer: its status, and its JSON. A parked saga's is 202, with the saga's status."""

    status: int
    body: Any

    @property
    def fault(self) -> str:
        """The last part of a problem's type, such as "out-of-stock"; empty for none."""
        return str(self.body.get("type", "")).rpartition(":")[2] if isinstance(self.body, dict) else ""


@dataclass
class Browser:
    """What one customer asks with. `hurry`: seconds after which it hangs up and asks again; `patience`: after which it
    gives up; `tally` counts why it asked again."""

    url: str
    tally: Counter[str] = field(default_factory=Counter)
    chance: random.Random = field(default_factory=random.Random)
    hurry: float = 30.0
    patience: float = 180.0
    headers: dict[str, str] = field(default_factory=dict)

    async def ask(
        self, verb: str, path: str, body: object = None, *, key: str | None = None, wait: int | None = None
    ) -> Answer:
        """The final answer to a request, however often it has to be repeated. `wait`: seconds until a 202."""
        headers = dict(self.headers)
        headers |= {"Idempotency-Key": f'"{key}"'} if key else {}
        headers |= {"Prefer": f"wait={wait}"} if wait else {}
        until, pause = asyncio.get_running_loop().time() + self.patience, 0.1
        while True:
            found = await self.once(verb, path, body, headers)
            if isinstance(found, Answer):
                return found
            self.tally[found] += 1
            if asyncio.get_running_loop().time() > until:
                raise Stuck(f"{verb} {path} under {key}: {found} for {self.patience:g} s")
            await asyncio.sleep(pause * self.chance.uniform(0.5, 1.5))
            pause = min(pause * 2, 2.0)

    async def once(self, verb: str, path: str, body: object, headers: Mapping[str, str]) -> Answer | str:
        """One try: the final answer, or why there is none yet."""
        try:
            status, told, content = await self.fetch(verb, path, body, headers)
        except Cut as cut:
            return str(cut)
        if status == 202:
            return await self.follow(told["location"])
        try:
            found = json.loads(content) if content else None
        except ValueError as error:
            raise Stuck(f"{verb} {path}: {status}, and no JSON: {content[:200]!r}") from error
        if isinstance(found, dict):
            found.pop("instance", None)  # names the request, and is no part of its answer
        answer = Answer(status, found)
        if status in UNAVAILABLE or answer.fault == "still-running":
            return f"{status} {answer.fault}"
        return answer

    async def follow(self, location: str) -> Answer | str:
        """Look at a saga that goes on: its answer stands under the key once it has ended."""
        try:
            status, _, content = await self.fetch("GET", location, None, self.headers)
        except Cut as cut:
            return str(cut)
        if status == 200 and (found := json.loads(content))["state"] == "parked":
            return Answer(202, found)
        return "202"

    async def fetch(
        self, verb: str, path: str, body: object, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own: status, headers, content. (A whole client library costs a test of
        this size more than the store that it tests.)"""
        content = b"" if body is None else json.dumps(body).encode()
        sent = {"Host": "test", "Connection": "close", "Content-Length": str(len(content)), **headers}
        sent |= {"Content-Type": "application/json"} if content else {}
        lines = [f"{verb} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        try:
            async with asyncio.timeout(self.hurry):
                return parsed(await exchange(self.url, "\r\n".join([*lines, "", ""]).encode() + content))
        except (OSError, TimeoutError, Cut) as error:
            raise Cut(type(error).__name__) from error


async def exchange(url: str, request: bytes) -> bytes:
    """Send, and read until the server closes."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.transport.abort()


def parsed(response: bytes) -> tuple[int, dict[str, str], bytes]:
    """A response's parts. Cut where some are missing."""
    head, end, content = response.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if not end or len(content) != int(headers.get("content-length", "0")):
        raise Cut
    return int(first.split(" ")[1]), headers, content

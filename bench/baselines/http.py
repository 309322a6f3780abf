"""HTTP between services: one client for each process, which keeps its connections, and each other service as a peer."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import aiohttp

from bench.baselines.faults import Fault, Unavailable
from bench.baselines.json import ANYTHING, reader

T = TypeVar("T")
U = TypeVar("U")
PATIENCE = float(os.environ.get("PATIENCE", "0.3"))
"""Seconds that a page waits for what it can do without."""
LIMIT = aiohttp.ClientTimeout(total=5)
JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """The client of this process. Connections are kept as long as servers keep them."""
    connections = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(
        connector=connections, timeout=LIMIT, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
    ) as session:
        yield session


class Peer:
    """Another service: where it is, the environment says (CATALOG=http://...)."""

    def __init__(self, http: aiohttp.ClientSession, name: str) -> None:
        self.http, self.name, self.base = http, name, os.environ[name.upper()]

    async def get(self, path: str, kind: type[T], **query: str | int) -> T:
        """What it answers to a GET."""
        return await self.ask("GET", path, kind, params=query or None)

    async def post(self, path: str, body: object, kind: type[T]) -> T:
        """What it answers to a POST of a value as JSON."""
        return await self.ask("POST", path, kind, data=ANYTHING.dump_json(body), headers=JSON)

    async def ask(self, method: str, path: str, kind: type[T], **more: Any) -> T:
        """An answer. Fault where it refuses, Unavailable where it does not answer."""
        try:
            async with self.http.request(method, self.base + path, **more) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{self.name} does not answer: {error!r}") from error
        if response.status < 300:
            answer: Any = reader(kind).validate_json(body) if body else None
            return cast(T, answer)
        if response.status < 500:
            problem = json.loads(body)
            raise Fault(problem["code"], response.status, **problem["about"])
        raise Unavailable(f"{self.name} answers {response.status} at {path}.")


async def soon(asked: Awaitable[T], otherwise: U) -> T | U:
    """An answer that a page can do without: something else, where it does not come soon."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await asked
    except (Fault, Unavailable, TimeoutError):
        return otherwise

"""Little sites whose behaviour is known, and what visitors do there."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from craton.lab.scenario import Scenario, Visitor

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
SERVICE = 0.01
"""Seconds that an answer of a known site takes."""


async def look(visitor: Visitor) -> None:
    """One page."""
    await visitor.get("/look")


async def write(visitor: Visitor) -> None:
    """One form."""
    answer = await visitor.post("/write", form={"text": str(visitor.chance.randrange(10**6))}, expect=(200,))
    assert answer.text == "well"


async def both(visitor: Visitor) -> None:
    """Two requests."""
    await visitor.get("/look")
    await visitor.get("/look/more?n=1")


async def knock(visitor: Visitor) -> None:
    """What a visitor does first: it takes as long as 20 answers."""
    visitor.memory["known"] = True
    await visitor.get("/knock")


async def missing(visitor: Visitor) -> None:
    """A page that is not there."""
    await visitor.get(f"/missing/{visitor.chance.randrange(10**6)}")


async def broken(visitor: Visitor) -> None:
    """A bug of the scenario."""
    raise KeyError(f"{len(visitor.memory)} things")


looking = Scenario("looking", {look: 1}, think=(0.0, 0.0))
writing = Scenario("writing", {look: 3, write: 1, both: 1}, think=(0.0, 0.01))
knocking = Scenario("knocking", {look: 1}, arrive=knock)
failing = Scenario("failing", {look: 2, missing: 1, broken: 1})


@dataclass
class Place:
    """A site. `bytes_in`, `bytes_out`: of all its connections, as it saw them; `asked`: requests by path."""

    url: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    connections: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    bodies: list[str] = field(default_factory=list)
    stills: tuple[float, float] | None = None  # every so many seconds it stands still, for so many
    hangs: bool = False
    answers: int = 10**9  # that one connection gives before it is closed without a word
    began: float = field(default_factory=time.monotonic)

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """One connection."""
        self.connections += 1
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            for _ in range(self.answers):
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, _ = head.decode().split("\r\n", 1)[0].split(" ")
                size = length(head)
                body = await reader.readexactly(size)
                self.bytes_in += len(head) + size
                self.asked[path] += 1
                self.bodies.append(f"{method} {path} {body.decode()}")
                await self.work(path)
                answer = self.answer(path)
                self.bytes_out += len(answer)
                writer.write(answer)
                await writer.drain()

    async def work(self, path: str) -> None:
        """Take the time that an answer takes: longer while everything stands still."""
        if self.hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(SERVICE * (20 if path == "/knock" else 1) + self.stands_still(time.monotonic()))

    def stands_still(self, now: float) -> float:
        """For how long everything stands still from now."""
        every, long = self.stills or (1.0, 0.0)
        return max(0.0, long - (now - self.began) % every)

    def answer(self, path: str) -> bytes:
        """What it says."""
        status = "404 Not Found" if path.startswith("/missing") else "200 OK"
        return f"HTTP/1.1 {status}\r\ncontent-length: 4\r\nset-cookie: seen=yes; Path=/\r\n\r\nwell".encode()


def length(head: bytes) -> int:
    """The size of a body, by the head before it."""
    lines = head.decode().lower().split("\r\n")
    return next((int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")), 0)


@asynccontextmanager
async def opened(place: Place, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Place]:
    """A site that is there."""
    going = set[asyncio.Task[None]]()

    async def connected(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task
        going.add(task)
        task.add_done_callback(going.discard)
        with suppress(asyncio.CancelledError):
            await place.serve(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=4096, ssl=tls)
    place.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield place
    finally:
        server.close()
        for task in list(going):
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)

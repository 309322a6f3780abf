"""Load over HTTP from a process of its own: the least that a client can do, so that servers are measured, not it."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import sys
from collections.abc import Callable
from typing import cast
from uuid import uuid4

import uvloop

from bench.harness import answering
from bench.processes import pin

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
BASE, NUMBERS = f"{os.getpid()}-{uuid4().hex[:8]}", itertools.count()


class Connection(asyncio.Protocol):
    """One connection, kept open; one request at a time."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.waiting: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class

    def connection_lost(self, exc: Exception | None) -> None:
        """A server that closes a connection has failed."""
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """An answer is whole when its body is."""
        self.received += data
        head = self.received.find(b"\r\n\r\n")
        length = LENGTH.search(self.received, 0, head) if head >= 0 else None
        if head >= 0 and len(self.received) >= head + 4 + (int(length[1]) if length else 0):
            answer, self.received = bytes(self.received), bytearray()
            if self.waiting is not None and not self.waiting.done():
                self.waiting.set_result(answer)

    async def ask(self, request: bytes) -> bytes:
        """One request and its answer."""
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.waiting


def sale() -> bytes:
    """A request to sell a new order, under a new key."""
    order = f"order-{BASE}-{next(NUMBERS):09d}"
    body = b'{"order":"%s"}' % order.encode()
    return (
        b"POST /sales HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nIdempotency-Key: \"%s\"\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (order.encode(), len(body), body)
    )


PRODUCT = b"GET /products/SKU-000001 HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\n\r\n"
BASKET = b'{"lines":[%b]}' % b",".join(b'{"sku":"SKU-00000%d","quantity":%d}' % (n, n * 2) for n in (1, 2, 3))
QUOTE = (
    b"POST /quotes HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BASKET), BASKET)
)
REQUESTS: dict[str, Callable[[], bytes]] = {"sale": sale, "get": lambda: PRODUCT, "post": lambda: QUOTE}


async def measure(address: str, concurrency: int, what: str) -> None:
    """What is asked for on standard input."""
    request = REQUESTS[what]
    loop, (host, _, port) = asyncio.get_running_loop(), address.rpartition(":")
    idle = [(await loop.create_connection(Connection, host, int(port)))[1] for _ in range(concurrency)]

    async def call() -> None:
        connection = idle.pop()
        answer = await connection.ask(request())
        if not answer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"the server answered {answer!r}")
        idle.append(connection)

    await answering(call, concurrency=concurrency)


if __name__ == "__main__":
    pin(0, 0)
    uvloop.run(measure(sys.argv[1], int(sys.argv[2]), sys.argv[3]))

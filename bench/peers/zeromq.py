"""pyzmq with msgspec: a DEALER that asks and a ROUTER that answers, over a Unix socket.

Tuned: uvloop on both sides, values made once, encoders and decoders kept, one socket with a number for each call.
It has no deadlines, no callers and no faults.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import msgspec
import zmq.asyncio

from bench.peers.catalog import SKUS, shelf
from bench.peers.msgspecs import Asked, Product
from bench.processes import PLACE, server

SETTINGS = f"pyzmq {version('pyzmq')} (asyncio) and msgspec {msgspec.__version__}, DEALER and ROUTER, ipc, {PLACE}"
encode = msgspec.msgpack.Encoder().encode


async def serve(socket: str) -> None:
    """Serve until ended."""
    products, read = shelf(Product), msgspec.msgpack.Decoder(Asked).decode
    router: Any = zmq.asyncio.Context().socket(zmq.ROUTER)
    router.set_hwm(0)
    router.bind(f"ipc://{socket}")
    while True:
        peer, number, body = await router.recv_multipart()
        found = tuple(products[sku] for sku in read(body).skus)
        await router.send_multipart([peer, number, encode(found)])


@asynccontextmanager
async def catalog(socket: str) -> AsyncIterator[Callable[[], Coroutine[None, None, Any]]]:
    """A server, and what asks it."""
    read, waiting = msgspec.msgpack.Decoder(tuple[Product, ...]).decode, dict[bytes, asyncio.Future[bytes]]()
    dealer: Any = zmq.asyncio.Context().socket(zmq.DEALER)
    dealer.set_hwm(0)
    dealer.connect(f"ipc://{socket}")
    numbers = itertools.count()

    async def take() -> None:
        while True:
            number, body = await dealer.recv_multipart()
            waiting.pop(number).set_result(body)

    async def ask() -> Any:
        number = b"%d" % next(numbers)
        answer = waiting[number] = asyncio.get_running_loop().create_future()
        await dealer.send_multipart([number, encode(Asked(SKUS))])
        return read(await answer)

    async with server(socket, "bench.peers.zeromq", socket):
        taking = asyncio.create_task(take())
        yield ask
        taking.cancel()
        dealer.close(linger=0)


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(sys.argv[1]))

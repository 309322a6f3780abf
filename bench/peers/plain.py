"""Starlette and msgspec on uvicorn (uvloop, httptools, no access log), asked with aiohttp over a Unix socket.

Tuned: products made once, encoders and decoders kept, connections kept, JSON straight from and to bytes.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import aiohttp
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.peers.catalog import SKUS, shelf
from bench.peers.http import HEADERS, URL
from bench.peers.msgspecs import Asked, Product
from bench.processes import PLACE, server

SETTINGS = (
    f"aiohttp {version('aiohttp')} asking Starlette {version('starlette')} and msgspec {msgspec.__version__} on "
    f"uvicorn {version('uvicorn')} (uvloop, httptools), Unix socket, {PLACE}"
)
PRODUCTS, read, encode = shelf(Product), msgspec.json.Decoder(Asked).decode, msgspec.json.Encoder().encode


async def products(request: Request) -> Response:
    """The method that is measured."""
    asked = read(await request.body())
    return Response(encode([PRODUCTS[sku] for sku in asked.skus]), media_type="application/json")


site = Starlette(routes=[Route("/products", products, methods=["POST"])])


@asynccontextmanager
async def catalog(socket: str) -> AsyncIterator[Callable[[], Coroutine[None, None, Any]]]:
    """A server, and what asks it."""
    found = msgspec.json.Decoder(tuple[Product, ...]).decode
    async with (
        server(socket, "bench.peers.plain", socket),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket, limit=64), raise_for_status=True) as session,
    ):

        async def ask() -> Any:
            async with session.post(URL, data=encode(Asked(SKUS)), headers=HEADERS) as answer:
                return found(await answer.read())

        yield ask


if __name__ == "__main__":
    uvicorn.run(site, uds=sys.argv[1], loop="uvloop", http="httptools", access_log=False, log_level="warning")

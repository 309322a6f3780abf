"""FastAPI on uvicorn (uvloop, httptools, no access log), asked with httpx or aiohttp over a Unix socket.

Tuned: products made once, requests and answers validated straight from and to bytes, connections kept.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import aiohttp
import httpx
import pydantic
import uvicorn
from fastapi import FastAPI

from bench.peers.catalog import SKUS, shelf
from bench.processes import PLACE, server

SITE = f"FastAPI {version('fastapi')} on uvicorn {version('uvicorn')} (uvloop, httptools), Unix socket, {PLACE}"
HTTPX = f"httpx {version('httpx')} (a client per caller) asking {SITE}"
AIOHTTP = f"aiohttp {version('aiohttp')} asking {SITE}"
URL = "http://catalog/products"
HEADERS = {"content-type": "application/json"}


class Product(pydantic.BaseModel):
    """A product."""

    sku: str
    name: str
    price: int
    currency: str
    stock: int
    tags: list[str]
    active: bool
    updated_at: str


class Asked(pydantic.BaseModel):
    """Which products."""

    skus: list[str]


class Found(pydantic.BaseModel):
    """Those products."""

    items: list[Product]


Ask = Callable[[], Coroutine[None, None, Found]]
PRODUCTS: dict[str, Product] = shelf(Product)
site = FastAPI()


@site.post("/products")
async def products(asked: Asked) -> Found:
    """The method that is measured."""
    return Found(items=[PRODUCTS[sku] for sku in asked.skus])


def body() -> bytes:
    """The request, validated and encoded each time as application code would."""
    return Asked(skus=list(SKUS)).model_dump_json().encode()


@asynccontextmanager
async def by_httpx(socket: str) -> AsyncIterator[Ask]:
    """A server, and what asks it: a client per caller, since one client slows down with its connections."""
    async with server(socket, "bench.peers.http", socket), AsyncExitStack() as stack:
        idle: list[httpx.AsyncClient] = []

        def client_of_a_caller() -> httpx.AsyncClient:  # without `verify`, each would load all certificates there are
            return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=socket, verify=False))

        async def ask() -> Found:
            client = idle.pop() if idle else await stack.enter_async_context(client_of_a_caller())
            answer = await client.post(URL, content=body(), headers=HEADERS)
            idle.append(client)
            return Found.model_validate_json(answer.raise_for_status().content)

        yield ask


@asynccontextmanager
async def by_aiohttp(socket: str) -> AsyncIterator[Ask]:
    """A server, and what asks it: the fastest of the usual clients."""
    async with (
        server(socket, "bench.peers.http", socket),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket, limit=64), raise_for_status=True) as session,
    ):

        async def ask() -> Found:
            async with session.post(URL, data=body(), headers=HEADERS) as answer:
                return Found.model_validate_json(await answer.read())

        yield ask


if __name__ == "__main__":
    uvicorn.run(site, uds=sys.argv[1], loop="uvloop", http="httptools", access_log=False, log_level="warning")

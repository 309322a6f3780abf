"""Calls between modules: co-located, through the codec, and over rpc between two processes."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from bench.harness import Benchmark, Measure, Side, cost, latency, throughput
from bench.ours import CRATON, calls_of_a_user
from bench.peers import http, rpc
from bench.peers.catalog import SKUS
from bench.processes import PLACE
from bench.services import remote_catalog
from bench.shop.application import shop
from bench.shop.contracts import Catalog, Product
from bench.shop.modules import Shelf
from craton.testing.start import start

PYTHON = f"Python {platform.python_version()} on uvloop {version('uvloop')}"
Asking = Callable[[str], AbstractAsyncContextManager[Any]]
"""Opens a catalog at a Unix socket, and gives what asks it for ten products."""


@asynccontextmanager
async def co_located() -> AsyncIterator[Measure]:
    """A query of a module in the same process, as its neighbours hold it."""
    async with start(shop) as running:
        with calls_of_a_user():
            yield lambda seconds: cost(partial(running.get(Catalog).next, 1), seconds=seconds)


@asynccontextmanager
async def bare() -> AsyncIterator[Measure]:
    """The same class, made with plain Python."""
    yield lambda seconds: cost(partial(Shelf().next, 1), seconds=seconds)


@asynccontextmanager
async def wire() -> AsyncIterator[Measure]:
    """The whole way of a remote call but for the network: stub, codec, signed caller, deadline, receiver."""
    async with start(shop, topology="microservices") as running:
        with calls_of_a_user():
            yield lambda seconds: cost(partial(running.get(Catalog).products, SKUS), seconds=seconds, batch=50)


class Asked(msgspec.Struct):
    """The arguments of `products`."""

    skus: tuple[str, ...]


@asynccontextmanager
async def msgspec_round_trip() -> AsyncIterator[Measure]:
    """Arguments and result encoded and decoded, and nothing else: no deadline, no caller, no faults."""
    encode, shelf = msgspec.msgpack.Encoder().encode, Shelf()
    arguments, result = msgspec.msgpack.Decoder(Asked).decode, msgspec.msgpack.Decoder(tuple[Product, ...]).decode

    async def call() -> tuple[Product, ...]:
        return result(encode(await shelf.products(arguments(encode(Asked(SKUS))).skus)))

    yield lambda seconds: cost(call, seconds=seconds, batch=50)


@asynccontextmanager
async def over_rpc(socket: str) -> AsyncIterator[Any]:
    """Our catalog in another process."""
    async with remote_catalog(str(Path(socket).parent)) as catalog:
        with calls_of_a_user():
            yield partial(catalog.products, SKUS)


@asynccontextmanager
async def asked(asking: Asking, *, concurrency: int) -> AsyncIterator[Measure]:
    """Ten products from another process: the median wait of one caller, or the calls per second of many."""
    with TemporaryDirectory(prefix="craton-bench-") as folder:
        async with asking(str(Path(folder) / "s")) as ask:
            if concurrency == 1:
                yield lambda seconds: latency(ask, seconds=seconds)
            else:
                yield lambda seconds: throughput(ask, concurrency=concurrency, seconds=seconds)


def remote(peer: str, asking: Asking, settings: str, *, concurrency: int) -> Benchmark:
    """Our rpc beside a peer's."""
    ours = f"{CRATON}, rpc, Unix socket, a deadline and a signed caller in every call, {PLACE}"
    return Benchmark(
        name=f"ten products over rpc, {concurrency} at once, beside {peer}",
        unit="µs" if concurrency == 1 else "calls/s", better="lower" if concurrency == 1 else "higher",
        ours=Side(ours, partial(asked, over_rpc, concurrency=concurrency)),
        peer=Side(settings, partial(asked, asking, concurrency=concurrency)),
    )


PEERS: dict[str, tuple[Asking, str]] = {
    "FastAPI and httpx": (http.by_httpx, http.HTTPX),
    "FastAPI and aiohttp": (http.by_aiohttp, http.AIOHTTP),
    "grpc.aio": (rpc.catalog, rpc.SETTINGS),
}
BENCHMARKS = [
    Benchmark(
        name="co-located query beside a bare method", unit="ns", better="lower",
        ours=Side(f"{CRATON}, {PYTHON}", co_located), peer=Side(f"await object.method(1), {PYTHON}", bare),
    ),
    Benchmark(
        name="ten products through the codec, beside msgspec alone", unit="ns", better="lower",
        ours=Side(f"{CRATON}, a deadline and a signed caller in every call", wire),
        peer=Side(f"msgspec {msgspec.__version__}: arguments and result there and back", msgspec_round_trip),
    ),
    *(
        remote(peer, asking, settings, concurrency=concurrency)
        for peer, (asking, settings) in PEERS.items() for concurrency in (1, 64)
    ),
]

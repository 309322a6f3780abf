"""Calls between modules: co-located, through the codec, and over rpc between two processes."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec

from bench.harness import Benchmark, Measure, Side, cost, latency, throughput, work
from bench.ours import CRATON, calls_of_a_user
from bench.peers import http, plain, rpc, zeromq
from bench.peers.catalog import SKUS
from bench.processes import PLACE, spent
from bench.services import remote_catalog
from bench.shop.application import shop
from bench.shop.contracts import Catalog, Orders, Product
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
async def command() -> AsyncIterator[Measure]:
    """A command that has nothing to write: all that a command costs besides its statements and their COMMIT."""
    async with start(shop) as running:
        with calls_of_a_user():
            yield lambda seconds: cost(running.get(Orders).nothing, seconds=seconds)


@asynccontextmanager
async def bare_and_more() -> AsyncIterator[Measure]:
    """A method that does nothing, and what a command may cost besides."""
    desk = Nothing()

    async def measure(seconds: float) -> float:
        return await cost(desk.nothing, seconds=seconds) + 8000

    yield measure


class Nothing:
    """What the command does."""

    async def nothing(self) -> None:
        """Nothing."""


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
async def asked(asking: Asking, *, concurrency: int, measure: str) -> AsyncIterator[Measure]:
    """Ten products from another process: the median wait of one caller, the calls per second, or their work."""
    with TemporaryDirectory(prefix="craton-bench-") as folder:
        async with asking(str(Path(folder) / "s")) as ask:
            if measure == "work":
                yield lambda seconds: work(ask, spent, concurrency=concurrency, seconds=seconds)
            elif measure == "wait":
                yield lambda seconds: latency(ask, seconds=seconds)
            else:
                yield lambda seconds: throughput(ask, concurrency=concurrency, seconds=seconds)


UNITS: dict[str, tuple[str, Literal["lower", "higher"]]] = {
    "work": ("µs of CPU of both sides", "lower"), "wait": ("µs", "lower"), "rate": ("calls/s", "higher"),
}


def remote(peer: str, measure: str, *, concurrency: int, goal: float | None = None) -> Benchmark:
    """Our rpc beside a peer's."""
    ours = f"{CRATON}, rpc, Unix socket, a deadline and a signed caller in every call, {PLACE}"
    (unit, better), (asking, settings) = UNITS[measure], PEERS[peer]
    return Benchmark(
        name=f"ten products over rpc, {measure}, {concurrency} at once, beside {peer}",
        unit=unit, better=better, goal=goal,
        ours=Side(ours, partial(asked, over_rpc, concurrency=concurrency, measure=measure)),
        peer=Side(settings, partial(asked, asking, concurrency=concurrency, measure=measure)),
    )


PEERS: dict[str, tuple[Asking, str]] = {
    "FastAPI and httpx": (http.by_httpx, http.HTTPX),
    "FastAPI and aiohttp": (http.by_aiohttp, http.AIOHTTP),
    "Starlette, msgspec and aiohttp": (plain.catalog, plain.SETTINGS),
    "pyzmq and msgspec": (zeromq.catalog, zeromq.SETTINGS),
    "grpc.aio": (rpc.catalog, rpc.SETTINGS),
}
BENCHMARKS = [
    Benchmark(
        name="co-located query beside a bare method", unit="ns", better="lower", goal=0.95,  # 1.00, but for noise
        ours=Side(f"{CRATON}, {PYTHON}", co_located), peer=Side(f"await object.method(1), {PYTHON}", bare),
    ),
    Benchmark(
        name="co-located command without a statement beside a bare method and 8 µs", unit="ns", better="lower", goal=1,
        ours=Side(f"{CRATON}, a unit of work that does nothing, {PYTHON}", command),
        peer=Side(f"await object.method(), and 8 µs, {PYTHON}", bare_and_more),
    ),
    Benchmark(
        name="ten products through the codec, beside msgspec alone", unit="ns", better="lower",
        ours=Side(f"{CRATON}, a deadline and a signed caller in every call", wire),
        peer=Side(f"msgspec {msgspec.__version__}: arguments and result there and back", msgspec_round_trip),
    ),
    remote("grpc.aio", "work", concurrency=64, goal=15),
    remote("grpc.aio", "work", concurrency=1, goal=5),
    remote("grpc.aio", "wait", concurrency=1, goal=3.3),
    remote("FastAPI and aiohttp", "rate", concurrency=64, goal=10),
    remote("FastAPI and httpx", "rate", concurrency=64),
    remote("Starlette, msgspec and aiohttp", "rate", concurrency=64, goal=6),
    remote("pyzmq and msgspec", "rate", concurrency=64, goal=3),
    remote("pyzmq and msgspec", "work", concurrency=1),
]

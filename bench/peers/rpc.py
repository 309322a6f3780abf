"""gRPC's asyncio server and client over a Unix socket. Tuned: messages made once, one channel, uvloop on the client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import grpc

from bench.peers.catalog import SKUS, shelf
from bench.processes import PLACE, server

SETTINGS = f"grpc.aio {version('grpcio')} (protobuf {version('protobuf')}), Unix socket, {PLACE}"


def generated() -> tuple[Any, Any]:
    """The messages and the service of catalog.proto, generated when the benchmark runs."""
    found: tuple[Any, Any] = grpc.protos_and_services("bench/peers/catalog.proto")
    return found


async def serve(socket: str) -> None:
    """Serve until ended."""
    messages, services = generated()
    products = shelf(messages.Product)

    class Shelf:
        """The method that is measured, under gRPC's name."""

        async def Products(self, asked: Any, _: Any) -> Any:
            return messages.Found(items=[products[sku] for sku in asked.skus])

    listening = grpc.aio.server()
    services.add_CatalogServicer_to_server(Shelf(), listening)
    listening.add_insecure_port(f"unix:{socket}")
    await listening.start()
    await listening.wait_for_termination()


@asynccontextmanager
async def catalog(socket: str) -> AsyncIterator[Callable[[], Coroutine[None, None, Any]]]:
    """A server, and what asks it."""
    messages, services = generated()
    async with server(socket, "bench.peers.rpc", socket), grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        stub = services.CatalogStub(channel)

        async def ask() -> Any:
            return await stub.Products(messages.Asked(skus=SKUS))

        yield ask


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))

"""Our side: the measured application in one process, or its catalog in another."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench.processes import server
from bench.shop.application import shop
from bench.shop.contracts import Catalog
from craton.calls.links.rpc import RpcLink, RpcServer
from craton.data.migrations import migrate
from craton.run.process import Process
from craton.run.serve import edge_of
from craton.testing.start import SECRET, calling, topology_named, user

CRATON = f"craton {version('craton')} (msgspec {version('msgspec')})"
NUMBERS = itertools.count()


def order() -> str:
    """A new order's id."""
    return f"order-{next(NUMBERS):012d}"


def calls_of_a_user() -> AbstractContextManager[None]:
    """What real calls carry: a caller and a deadline."""
    return calling(caller=user("1"), timeout=3600)


def keyed() -> AbstractContextManager[None]:
    """The same, and a new random idempotency key: the call writes an inbox row."""
    return calling(caller=user("1"), key=uuid4().hex, timeout=3600)


async def serve(socket: str) -> None:
    """The catalog as a service, until ended."""
    topology = topology_named(shop, "microservices")
    with TemporaryDirectory(prefix="craton-bench-") as folder:
        database = f"sqlite:///{Path(folder) / 'catalog'}.db"
        await migrate(database, [shop.module("catalog")])
        async with (
            Process(shop, topology, "catalog", database=database, secret=SECRET, links=alone, environ={}) as process,
            RpcServer(process.handler, f"unix:{socket}", secret=SECRET, service="catalog"),
        ):
            await asyncio.Event().wait()


async def serve_edge(address: str, database: str) -> None:
    """The whole application at an HTTP address, as `craton serve` would, until ended."""
    topology = topology_named(shop, "monolith")
    await migrate(database, shop.modules)
    async with (
        Process(
            shop, topology, "shop", database=database, secret=SECRET, links=alone, environ={},
        ) as process,
        edge_of(process, SECRET, at=address),
    ):
        await asyncio.Event().wait()


def alone(service: str) -> RpcLink:
    """The link to a service that nobody asks for."""
    raise LookupError(service)


@asynccontextmanager
async def remote_catalog(socket: str) -> AsyncIterator[Catalog]:
    """The catalog in a process of its own, as a gateway sees it."""

    def link(service: str) -> RpcLink:
        return RpcLink([f"unix:{socket}"], secret=SECRET, service="gateway", needs=frozenset({service}))

    topology = topology_named(shop, "microservices")
    async with (
        server(socket, "bench.ours", socket),
        Process(shop, topology, "gateway", database=None, secret=SECRET, links=link, environ={}) as process,
    ):
        yield process.get(Catalog)


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(sys.argv[1]) if len(sys.argv) == 2 else serve_edge(*sys.argv[1:]))

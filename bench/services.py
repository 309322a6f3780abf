"""Our side as processes: the whole application with its edge, or one service of it split up, asked over rpc."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.harness import answering
from bench.ours import keyed, order
from bench.processes import pin, server
from bench.shop.application import shop
from bench.shop.contracts import Catalog, Orders
from craton.calls.links.rpc import RpcLink, RpcServer
from craton.data.migrations import migrate
from craton.run.linking import serve_rest
from craton.run.process import Process
from craton.testing.start import SECRET, topology_named

RATES = {"CRATON_EDGE_RATE": "1000000", "CRATON_EDGE_BURST": "900"}
"""Requests are counted as always, and none is refused: all come from one address."""


@asynccontextmanager
async def service(name: str, folder: str, database: str, broker: str = "") -> AsyncIterator[Process]:
    """One service of the application split up. Each has a Unix socket of its name in the folder."""
    await migrate(database, [shop.module(name)])
    topology = topology_named(shop, "microservices")
    async with (
        Process(
            shop, topology, name, database=database, secret=SECRET, links=links(name, folder), environ={},
            broker=broker or None,
        ) as process,
        RpcServer(process.handler.answer, f"unix:{folder}/{name}", secret=SECRET, service=name),
    ):
        yield process


def links(name: str, folder: str) -> Callable[[str, str], RpcLink]:
    """The links of a service to the others."""

    def link(other: str, kind: str) -> RpcLink:
        return RpcLink([f"unix:{folder}/{other}"], secret=SECRET, service=name, needs=frozenset({other}))

    return link


@asynccontextmanager
async def remote_catalog(folder: str) -> AsyncIterator[Catalog]:
    """The catalog in a process of its own, as a gateway sees it."""
    topology = topology_named(shop, "microservices")
    async with (
        server(f"{folder}/catalog", "bench.services", "one", "catalog", folder, f"sqlite:///{folder}/catalog.db"),
        Process(
            shop, topology, "gateway", database=None, secret=SECRET, links=links("gateway", folder), environ={}
        ) as process,
    ):
        yield process.get(Catalog)


async def serve_one(*what: str) -> None:
    """One service, until ended."""
    async with service(*what):
        gc.freeze()  # as `craton serve` does
        print("ready", flush=True)
        await asyncio.Event().wait()


async def serve_edge(address: str, database: str) -> None:
    """The whole application at an HTTP address, as `craton serve` would, until ended."""
    topology = topology_named(shop, "monolith")
    await migrate(database, shop.modules)
    alone = links("shop", str(Path.cwd()))  # it has no others
    async with (
        Process(shop, topology, "shop", database=database, secret=SECRET, links=alone, environ=RATES) as process,
        serve_rest(process, address),
    ):
        gc.freeze()  # as `craton serve` does
        await asyncio.Event().wait()


async def measure_sagas(folder: str, database: str, concurrency: str) -> None:
    """The service of orders, which starts sagas over four others as it is asked for figures."""
    pin(0, 0)
    async with service("orders", folder, database) as process:
        orders = process.get(Orders)

        async def ship() -> None:
            with keyed():
                await orders.ship(order())

        await answering(ship, concurrency=int(concurrency))


if __name__ == "__main__":
    import uvloop

    programs: dict[str, Callable[..., Coroutine[Any, Any, None]]] = dict(
        one=serve_one, edge=serve_edge, sagas=measure_sagas
    )
    uvloop.run(programs[sys.argv[1]](*sys.argv[2:]))

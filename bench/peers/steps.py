"""A DBOS workflow on PostgreSQL that calls four FastAPI services, each with one write in a database of its own.

Tuned as bench.peers.workflow and bench.peers.http are: no logs, uvicorn with uvloop and httptools, and aiohttp, the
fastest of the usual clients, with connections that are kept, over Unix sockets. A repeated call writes nothing twice.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version

import aiohttp
import pydantic
import uvicorn
from dbos import DBOS
from fastapi import FastAPI
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import create_async_engine

from bench.harness import answering
from bench.ours import order
from bench.peers.database import ASYNCPG
from bench.peers.http import SITE
from bench.processes import pin
from bench.shop import tables

SETTINGS = f"DBOS {version('dbos')} workflow of 4 steps by aiohttp {version('aiohttp')}, {SITE}, {ASYNCPG}"
TABLES = {
    "stock": tables.stock, "payments": tables.payments, "packing": tables.packing, "delivery": tables.delivery,
}
Ask = Callable[[str, str], Coroutine[None, None, None]]


class Wanted(pydantic.BaseModel):
    """What is ordered."""

    order: str


async def serve(name: str, folder: str, url: str) -> None:
    """One service, until ended."""
    engine = create_async_engine(url, pool_size=10, max_overflow=0, pool_timeout=60)
    async with engine.begin() as connection:
        await connection.run_sync(TABLES[name].metadata.create_all)
    add, app = insert(TABLES[name]).on_conflict_do_nothing(), FastAPI()

    @app.post("/do", status_code=204)
    async def do(wanted: Wanted) -> None:
        async with engine.begin() as connection:
            await connection.execute(add, tables.row(wanted.order))

    config = uvicorn.Config(
        app, uds=f"{folder}/{name}", http="httptools", access_log=False, log_level="warning", lifespan="off",
        timeout_keep_alive=75,
    )
    await uvicorn.Server(config).serve()


@asynccontextmanager
async def asking(folder: str) -> AsyncIterator[Ask]:
    """What asks a service for its step of an order."""
    sessions = {
        name: aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(f"{folder}/{name}", limit=64), raise_for_status=True
        ) for name in TABLES
    }

    async def ask(name: str, order: str) -> None:
        async with sessions[name].post("http://service/do", json={"order": order}):
            pass

    yield ask
    for session in sessions.values():
        await session.close()


def workflow(ask: Ask) -> Callable[[str], Coroutine[None, None, None]]:
    """The same four steps as our saga's."""

    @DBOS.step()
    async def step(name: str, order: str) -> None:
        await ask(name, order)

    @DBOS.workflow()
    async def ship(order: str) -> None:
        for name in TABLES:
            await step(name, order)

    return ship


async def measure(folder: str, url: str, concurrency: str) -> None:
    """The workflow, started as it is asked for figures."""
    pin(0, 0)
    async with asking(folder) as ask:
        ship = workflow(ask)
        DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})
        DBOS.launch()
        await answering(lambda: ship(order()), concurrency=int(concurrency))
        DBOS.destroy(destroy_registry=True)


if __name__ == "__main__":
    import uvloop

    uvloop.run({"service": serve, "workflow": measure}[sys.argv[1]](*sys.argv[2:]))

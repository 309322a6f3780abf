"""FastAPI on uvicorn (uvloop, httptools, no access log) and SQLAlchemy's asyncio engine: an order is one write and,
where it is asked for, an outbox row in the same transaction, by hand.

Tuned as bench.peers.database is; besides: bodies are validated by pydantic straight from bytes, nothing is returned.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import pydantic
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Column, Float, MetaData, String, Table, Text, insert

from bench.peers.database import STATEMENTS, Peer, engines
from bench.shop import tables

SITE = f"FastAPI {version('fastapi')} on uvicorn {version('uvicorn')} (uvloop, httptools)"
outbox = Table(
    "orders_outbox", MetaData(),
    Column("id", String, primary_key=True),
    Column("type", String, nullable=False),
    Column("key", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("created", Float, nullable=False),
)
STORE = insert(outbox)


class Wanted(pydantic.BaseModel):
    """What is ordered."""

    order: str


def event(order: str) -> dict[str, Any]:
    """The outbox row of one order."""
    body = json.dumps({"order": order, "customer": tables.CUSTOMER, "total": tables.TOTAL})
    return dict(id=uuid4().hex, type="Sold", key=order, body=body, status="stored", created=time.time())


def site(peer: Peer, *, events: bool) -> FastAPI:
    """The application."""
    app = FastAPI()

    @app.post("/sales", status_code=204)
    async def sell(wanted: Wanted) -> None:
        async with peer.writing.begin() as connection:
            await connection.execute(STATEMENTS.insert, tables.row(wanted.order))
            if events:
                await connection.execute(STORE, event(wanted.order))

    return app


async def serve(address: str, url: str, what: str) -> None:
    """Serve until ended."""
    options: dict[str, Any] = dict(pool_size=5) if url.startswith("sqlite") else dict(pool_size=10)
    async with engines(url, **options) as peer:
        async with peer.writing.begin() as connection:
            await connection.run_sync(outbox.metadata.create_all)
        app = site(peer, events=what == "events")
        config = uvicorn.Config(
            app, port=int(address.rpartition(":")[2]), http="httptools", access_log=False, log_level="warning",
            lifespan="off", timeout_keep_alive=75,
        )
        gc.freeze()  # as the other side does
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(*sys.argv[1:]))

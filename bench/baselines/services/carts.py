"""Carts as a service. It asks the catalog for what is put into them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from pydantic import BaseModel

from bench.baselines.database import Database, opened
from bench.baselines.faults import Fault
from bench.baselines.http import Peer, client
from bench.baselines.parts import carts
from bench.baselines.site import service
from bench.baselines.values import Cart, Line, Product


class Freeze(BaseModel):
    """Whose cart, in which state, is to be frozen for which order."""

    owner: str
    version: int
    order: str


class Frozen(BaseModel):
    """The order that a cart was frozen for."""

    order: str


@asynccontextmanager
async def living(app: FastAPI) -> AsyncIterator[None]:
    """Answer, while the database is open."""
    async with opened(os.environ["DATABASE"]) as database, client() as http:
        looks(app, database)
        changes(app, database, Peer(http, "catalog"))
        checkouts(app, database)
        yield


def looks(app: FastAPI, database: Database) -> None:
    """What changes nothing."""

    @app.get("/carts/{owner}")
    async def mine(owner: str) -> Cart:
        async with database.reading() as db:
            return await carts.mine(db, owner)

    @app.get("/carts/{owner}/count")
    async def count(owner: str) -> int:
        async with database.reading() as db:
            return await carts.count(db, owner)


def changes(app: FastAPI, database: Database, catalog: Peer) -> None:
    """What a customer changes."""

    @app.post("/carts/{owner}/items", status_code=204)
    async def add(owner: str, line: Line) -> Response:
        try:
            product = await catalog.get(f"/products/{line.sku}", Product)
        except Fault:
            raise Fault("ProductUnavailable") from None
        async with database.writing() as db:
            await carts.add(db, owner, product, line.quantity)
        return Response(status_code=204)


def checkouts(app: FastAPI, database: Database) -> None:
    """What a checkout does with a cart."""

    @app.post("/checkouts/{cart}/freeze")
    async def freeze(cart: str, wanted: Freeze) -> Cart:
        async with database.writing() as db:
            return await carts.freeze(db, cart, version=wanted.version, owner=wanted.owner, order=wanted.order)

    @app.post("/checkouts/{cart}/close", status_code=204)
    async def close(cart: str, frozen: Frozen) -> Response:
        async with database.reading() as db:
            await carts.close(db, cart, frozen.order)
        return Response(status_code=204)

    @app.post("/checkouts/{cart}/reopen", status_code=204)
    async def reopen(cart: str, frozen: Frozen) -> Response:
        async with database.reading() as db:
            await carts.reopen(db, cart, frozen.order)
        return Response(status_code=204)


app = service(living)

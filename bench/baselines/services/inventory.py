"""The inventory as a service."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response

from bench.baselines.database import opened
from bench.baselines.parts import inventory
from bench.baselines.site import service
from bench.baselines.values import Line, Stock


@asynccontextmanager
async def living(app: FastAPI) -> AsyncIterator[None]:
    """Answer, while the database is open."""
    async with opened(os.environ["DATABASE"]) as database:

        @app.post("/stock")
        async def stock(skus: list[str]) -> list[Stock]:
            async with database.reading() as db:
                return await inventory.stock_of(db, skus)

        @app.post("/reservations/{order}", status_code=204)
        async def reserve(order: str, lines: list[Line]) -> Response:
            async with database.writing() as db:
                await inventory.reserve(db, order, lines)
            return Response(status_code=204)

        @app.post("/reservations/{order}/commit", status_code=204)
        async def commit(order: str) -> Response:
            async with database.writing() as db:
                await inventory.commit(db, order)
            return Response(status_code=204)

        @app.post("/reservations/{order}/release", status_code=204)
        async def release(order: str) -> Response:
            async with database.writing() as db:
                await inventory.release(db, order)
            return Response(status_code=204)

        yield


app = service(living)

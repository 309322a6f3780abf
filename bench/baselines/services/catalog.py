"""The catalog as a service."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from bench.baselines.database import opened
from bench.baselines.parts import catalog
from bench.baselines.site import service
from bench.baselines.values import Category, Product


@asynccontextmanager
async def living(app: FastAPI) -> AsyncIterator[None]:
    """Answer, while the database is open."""
    async with opened(os.environ["DATABASE"]) as database:

        @app.get("/categories")
        async def categories() -> list[Category]:
            async with database.reading() as db:
                return await catalog.categories(db)

        @app.get("/newest")
        async def newest(limit: int) -> list[Product]:
            async with database.reading() as db:
                return await catalog.newest(db, limit)

        @app.get("/products/{sku}")
        async def product(sku: str) -> Product:
            async with database.reading() as db:
                return await catalog.product(db, sku)

        @app.post("/lookup")
        async def lookup(skus: list[str]) -> list[Product]:
            async with database.reading() as db:
                return await catalog.lookup(db, skus)

        yield


app = service(living)

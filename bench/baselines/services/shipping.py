"""Shipping as a service."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response

from bench.baselines.database import opened
from bench.baselines.parts import shipping
from bench.baselines.site import service
from bench.baselines.values import Money, Paid


@asynccontextmanager
async def living(app: FastAPI) -> AsyncIterator[None]:
    """Answer, while the database is open."""
    async with opened(os.environ["DATABASE"]) as database:

        @app.get("/quote")
        async def quote(country: str, amount: int, currency: str) -> Money:
            return shipping.price(country, Money(amount, currency))

        @app.post("/paid", status_code=204)
        async def prepare(paid: Paid) -> Response:
            async with database.reading() as db:
                await shipping.prepare(db, paid)
            return Response(status_code=204)

        yield


app = service(living)

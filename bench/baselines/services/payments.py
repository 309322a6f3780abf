"""Payments as a service. It writes down what it is about to ask the provider, asks, and writes the answer down."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from bench.baselines.database import Database, opened
from bench.baselines.http import client
from bench.baselines.parts import payments
from bench.baselines.provider import Provider
from bench.baselines.site import service
from bench.baselines.values import Money

WEBHOOK_SECRET = os.environ.get("WEBHOOK_SECRET", "whsec_store_simulation")


class Asked(BaseModel):
    """What is to be paid, and by which card."""

    total: Money
    token: str


@asynccontextmanager
async def living(app: FastAPI) -> AsyncIterator[None]:
    """Answer, while the database is open."""
    async with opened(os.environ["DATABASE"]) as database, client() as http:
        effects(app, database, Provider(http))

        @app.post("/payments/webhook")
        async def hear(request: Request) -> Response:
            payload, signature = await request.body(), request.headers.get("stripe-signature", "")
            async with database.writing() as db:
                await payments.hear(db, payload, signature, WEBHOOK_SECRET)
            return Response()

        yield


def effects(app: FastAPI, database: Database, provider: Provider) -> None:
    """What the provider is asked for. Each statement stands alone: no transaction is open while it is asked."""

    @app.post("/orders/{order}/authorize")
    async def authorize(order: str, asked: Asked) -> str:
        async with database.reading() as db:
            await payments.begin(db, order, asked.total)
        said = await provider.authorize(order, asked.total, asked.token)
        async with database.reading() as db:
            await payments.note(db, order, said)
        return said.status

    @app.post("/orders/{order}/capture", status_code=204)
    async def capture(order: str) -> Response:
        async with database.reading() as db:
            reference = await payments.reference(db, order)
        said = await provider.capture(reference, order)
        async with database.reading() as db:
            await payments.note(db, order, said)
        return Response(status_code=204)

    @app.post("/orders/{order}/cancel", status_code=204)
    async def cancel(order: str) -> Response:
        async with database.reading() as db:
            if reference := await payments.reference(db, order):
                await payments.note(db, order, await provider.cancel(reference, order))
        return Response(status_code=204)


app = service(living)

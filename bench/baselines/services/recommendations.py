"""Recommendations as a service."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from bench.baselines.database import opened
from bench.baselines.parts import recommendations
from bench.baselines.site import service
from bench.baselines.tables import heard
from bench.baselines.values import Paid

HEAR = insert(heard).values(order_id=bindparam("order")).on_conflict_do_nothing().returning(heard.c.order_id)


@asynccontextmanager
async def living(app: FastAPI) -> AsyncIterator[None]:
    """Answer, while the database is open."""
    async with opened(os.environ["DATABASE"]) as database:

        @app.post("/also-bought")
        async def also_bought(skus: list[str], limit: int) -> list[str]:
            async with database.reading() as db:
                return await recommendations.also_bought(db, skus, limit)

        @app.post("/paid", status_code=204)
        async def learn(paid: Paid) -> Response:
            async with database.writing() as db:
                if (await db.execute(HEAR, {"order": paid.order})).first():
                    await recommendations.learn(db, paid.lines)
            return Response(status_code=204)

        yield


app = service(living)

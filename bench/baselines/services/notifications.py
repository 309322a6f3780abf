"""Notifications as a service."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import BackgroundTasks, FastAPI

from bench.baselines.database import opened
from bench.baselines.parts import notifications
from bench.baselines.site import service
from bench.baselines.values import Paid

MAIL = Path(os.environ.get("MAIL", ".craton/mail"))


@asynccontextmanager
async def living(app: FastAPI) -> AsyncIterator[None]:
    """Answer, while the database is open."""
    async with opened(os.environ["DATABASE"]) as database:

        @app.post("/paid", status_code=204)
        async def thank(paid: Paid, later: BackgroundTasks) -> None:
            async with database.reading() as db:
                await notifications.write(db, paid)
            later.add_task(notifications.send, database, MAIL, paid)

        yield


app = service(living)

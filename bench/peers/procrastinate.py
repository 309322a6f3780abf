"""Procrastinate on PostgreSQL: `python -m bench.peers.procrastinate URL` is its worker, which LISTENs."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from procrastinate import App, PsycopgConnector

from bench.submitting import Submitter, by_tasks
from bench.tally import TALLY

MADE = "SELECT to_regclass('procrastinate_jobs')::text AS found"
CONNECTIONS, AT_ONCE, CALLERS = 10, 20, 64
SETTINGS = (
    f"Procrastinate {version('procrastinate')} on psycopg {version('psycopg')}, {AT_ONCE} jobs at once, "
    f"{CONNECTIONS} connections, {CALLERS} callers that submit"
)


async def job(at: int) -> None:
    """Nothing, and count it."""
    TALLY.add(at)


def application(url: str) -> tuple[App, Any]:
    """The application, and its task."""
    app = App(connector=PsycopgConnector(conninfo=url, min_size=CONNECTIONS, max_size=CONNECTIONS))
    return app, app.task(name="job")(job)


@asynccontextmanager
async def submitting(url: str) -> AsyncIterator[Submitter]:
    """What submits."""
    app, task = application(url)
    async with app.open_async():
        yield by_tasks(lambda at: task.defer_async(at=at), CALLERS)


async def serve(url: str) -> None:
    """The worker, until ended."""
    app, _ = application(url)
    async with app.open_async():
        if (await app.connector.execute_query_one_async(MADE))["found"] is None:
            await app.schema_manager.apply_schema_async()
        print("ready", flush=True)
        await app.run_worker_async(concurrency=AT_ONCE, delete_jobs="never")


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(sys.argv[1]))

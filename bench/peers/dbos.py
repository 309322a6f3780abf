"""DBOS workflows on a queue, on SQLite or PostgreSQL, submitted and run in one process, as it is made for.

Tuned as bench.peers.workflow is: WAL for SQLite, and no log. Its queue is polled: an interval of 10 ms, not its 1 s.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from importlib.metadata import version

from dbos import DBOS

from bench.submitting import Submitter, by_tasks
from bench.tally import TALLY

POLL, CALLERS = 0.01, 8
SETTINGS = f"DBOS {version('dbos')}, its queue polled every {POLL * 1000:g} ms, {CALLERS} callers that submit"


def prepare(url: str) -> str:
    """The URL as DBOS wants it; a file of SQLite gets WAL, which is kept in it."""
    if url.startswith("postgresql"):
        return url
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    return url


@asynccontextmanager
async def submitting(url: str) -> AsyncIterator[Submitter]:
    """What submits, and works."""

    @DBOS.workflow()
    async def job(at: int) -> None:
        TALLY.add(at)

    DBOS(config={"name": "bench", "system_database_url": prepare(url), "log_level": "ERROR"})
    DBOS.launch()
    await DBOS.register_queue_async("bench", polling_interval_sec=POLL)
    try:
        yield by_tasks(lambda at: DBOS.enqueue_workflow_async("bench", job, at), CALLERS)
    finally:
        DBOS.destroy(destroy_registry=True)

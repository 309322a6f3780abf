"""Celery on RabbitMQ: `python -m bench.peers.celery URL` is its worker.

Safe as ours is: a quorum queue, publisher confirms, and acknowledgements after the work (acks_late,
task_reject_on_worker_lost).
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from celery import Celery
from celery.signals import worker_ready

from bench.submitting import Submitter, by_threads
from bench.tally import TALLY

THREADS, POOL, PREFETCH = 8, "solo", 64
SETTINGS = f"Celery {version('celery')}, acks_late, {POOL} pool, prefetching {PREFETCH}, {THREADS} threads that submit"


def job(at: int) -> None:
    """Nothing, and count it."""
    TALLY.add(at)


def application(url: str) -> tuple[Celery, Any]:
    """The application, and its task."""
    app = Celery("bench", broker=url)
    app.conf.update(
        task_default_queue_type="quorum", broker_transport_options={"confirm_publish": True}, task_acks_late=True,
        task_reject_on_worker_lost=True, task_ignore_result=True, broker_pool_limit=THREADS,
        worker_prefetch_multiplier=PREFETCH, worker_hijack_root_logger=False, worker_send_task_events=False,
        broker_connection_retry_on_startup=True, worker_enable_remote_control=False,
        worker_redirect_stdouts=False,
    )
    return app, app.task(name="job")(job)


@asynccontextmanager
async def submitting(url: str) -> AsyncIterator[Submitter]:
    """What submits."""
    _, task = application(url)
    with by_threads(lambda at: task.delay(at), THREADS) as submitter:
        yield submitter


def serve(url: str) -> None:
    """The worker, until ended."""
    app, _ = application(url)
    worker_ready.connect(lambda **_: print("ready", flush=True), weak=False)
    flags = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--concurrency=1", "--loglevel=ERROR")
    app.worker_main(["--quiet", "worker", f"--pool={POOL}", *flags])


if __name__ == "__main__":
    serve(sys.argv[1])

"""Taskiq on RabbitMQ: `python -m bench.peers.taskiq URL` is its worker.

Safe as ours is: a quorum queue, and publisher confirms, which are taskiq-aio-pika's defaults; it acknowledges after
the work.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from taskiq.acks import AcknowledgeType
from taskiq.api import run_receiver_task
from taskiq_aio_pika import AioPikaBroker

from bench.submitting import Submitter, by_tasks
from bench.tally import TALLY

AT_ONCE, PREFETCH, CALLERS = 100, 200, 64
SETTINGS = (
    f"Taskiq {version('taskiq')} with taskiq-aio-pika {version('taskiq-aio-pika')} on uvloop, {AT_ONCE} tasks at once, "
    f"prefetching {PREFETCH}, {CALLERS} callers that submit"
)


async def job(at: int) -> None:
    """Nothing, and count it."""
    TALLY.add(at)


def application(url: str) -> tuple[AioPikaBroker, Any]:
    """The broker, and its task."""
    broker = AioPikaBroker(url, qos=PREFETCH)
    return broker, broker.register_task(job, task_name="job")


@asynccontextmanager
async def submitting(url: str) -> AsyncIterator[Submitter]:
    """What submits."""
    broker, task = application(url)
    await broker.startup()
    yield by_tasks(lambda at: task.kiq(at), CALLERS)
    await broker.shutdown()


async def serve(url: str) -> None:
    """The worker, until ended."""
    broker, _ = application(url)
    broker.is_worker_process = True
    await broker.startup()
    print("ready", flush=True)
    await run_receiver_task(
        broker, max_async_tasks=AT_ONCE, max_prefetch=PREFETCH, validate_params=False,
        ack_time=AcknowledgeType.WHEN_EXECUTED,
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(sys.argv[1]))

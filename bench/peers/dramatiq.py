"""Dramatiq on RabbitMQ: `python -m bench.peers.dramatiq URL` is its worker.

Safe as ours is: quorum queues, publisher confirms; it acknowledges after the work. Its broker has no setting for the
queue's type: its subclass here adds it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

THREADS, WORKERS, PREFETCH = 8, 2, 64
os.environ.setdefault("dramatiq_queue_prefetch", str(PREFETCH))  # read when it is imported

import dramatiq  # noqa: E402  its settings come first
from dramatiq.brokers.rabbitmq import RabbitmqBroker  # noqa: E402

from bench.submitting import Submitter, by_threads  # noqa: E402
from bench.tally import TALLY  # noqa: E402

SETTINGS = f"Dramatiq {version('dramatiq')}, {WORKERS} threads that work, prefetching {PREFETCH}, {THREADS} that submit"


class Quorum(RabbitmqBroker):
    """Its broker, with quorum queues."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = super()._build_queue_arguments(queue_name)  # type: ignore[no-untyped-call]
        return arguments | {"x-queue-type": "quorum"}


def job(at: int) -> None:
    """Nothing, and count it."""
    TALLY.add(at)


def application(url: str) -> tuple[RabbitmqBroker, Any]:
    """The broker, without middleware that nothing here needs, and its actor."""
    broker = Quorum(url=url, confirm_delivery=True, middleware=[dramatiq.middleware.Retries(max_retries=3)])
    dramatiq.set_broker(broker)
    return broker, dramatiq.actor(broker=broker)(job)


@asynccontextmanager
async def submitting(url: str) -> AsyncIterator[Submitter]:
    """What submits."""
    broker, actor = application(url)
    with by_threads(lambda at: actor.send(at), THREADS) as submitter:
        yield submitter
    broker.close()


def serve(url: str) -> None:
    """The worker, until ended."""
    broker, _ = application(url)
    worker = dramatiq.Worker(broker, worker_threads=WORKERS)
    worker.start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    serve(sys.argv[1])

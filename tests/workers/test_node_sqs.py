"""The worker in Node.js listens at Amazon SQS, as moto's server speaks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from craton.tasks.doorbells.sqs import SQS
from tests.sqs import Server, sqs
from tests.workers.test_conformance import WORKERS
from workers.conformance.controller import TOKEN, Controller
from workers.conformance.events import NEVER_RUNG, QUEUE
from workers.conformance.program import Program

__all__ = ["sqs"]
URL, APPLICATION = "sqs://eu-central-1/films", "films"
LISTENING = 20.0  # seconds until the worker must have begun


@asynccontextmanager
async def listening(controller: Controller, server: Server, folder: Path) -> AsyncIterator[Program]:
    """The worker, told of the broker."""
    told = {
        "CRATON_CONTROLLERS": f"kit={controller.url}", "CRATON_WORKER_TOKEN": TOKEN, "CRATON_QUEUES": QUEUE,
        "CRATON_SLOTS": "2", "CRATON_WORKER": "node-1", "CRATON_APPLICATION": APPLICATION, "CRATON_BROKER": URL,
        "CRATON_BLOBS": folder.as_uri(),
    }
    async with Program(WORKERS["node"], told | server.environ) as program:
        yield program


async def waiting(doorbell: SQS, queue: str) -> tuple[int, int]:
    """How many messages nobody holds, and how many somebody does."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    asked = await doorbell.client.get_queue_attributes(QueueUrl=await doorbell.address(queue), AttributeNames=names)
    return int(asked["Attributes"][names[0]]), int(asked["Attributes"][names[1]])


async def until_waiting(doorbell: SQS, queue: str, messages: int) -> None:
    """Wait until so many messages are in a queue, and nobody holds any."""
    async with asyncio.timeout(LISTENING):
        while await waiting(doorbell, queue) != (messages, 0):  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.05)


async def ring(doorbell: SQS, event: dict[str, object]) -> None:
    """Ring for a job."""
    rung = {name: value for name, value in event.items() if name not in NEVER_RUNG}
    await doorbell.ring(QUEUE, [json.dumps(rung).encode()])


async def test_jobs_that_ring_at_sqs_are_done_and_what_cannot_be_read_is_put_aside(
    sqs: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in sqs.environ.items():
        monkeypatch.setenv(name, value)
    async with SQS(URL, APPLICATION) as doorbell, Controller() as controller:
        address = await doorbell.address(QUEUE)
        async with listening(controller, sqs, tmp_path) as program:
            await doorbell.client.send_message(QueueUrl=address, MessageBody="no JSON")
            await until_waiting(doorbell, "dead", 1)
            await until_waiting(doorbell, QUEUE, 0)
            jobs = [await controller.add("echo", {"text": str(n)}) for n in range(5)]
            for job in jobs:
                await ring(doorbell, job.event)
            for n, job in enumerate(jobs):
                assert (await job.ended("succeeded"))["result"]["text"] == str(n)
            await until_waiting(doorbell, QUEUE, 0)
            assert any("jobs" in asked for asked in controller.asked), program.output
            assert not controller.troubles, controller.troubles

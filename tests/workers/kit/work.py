"""The handlers that the conformance kit asks for: some on the worker's loop, some in child processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

from craton import Blobs, ChildJob, Job, Retry
from tests.workers.kit.tasks import Answer, Failure, File, Gate, Message, Refused, Size, Text


def answer(job: Job | ChildJob, text: str) -> Answer:
    """What is known of a job."""
    checkpoint = "" if job.checkpoint is None else json.dumps(job.checkpoint)
    return Answer(text=text, attempt=job.attempt, folder=job.folder, checkpoint=checkpoint)


async def echo_(text: Text, job: Job) -> Answer:
    return answer(job, text.text)


async def wait_(gate: Gate, job: Job, blobs: Blobs) -> Answer:
    if gate.file:
        await blobs.put(f"{job.folder}/{gate.file}", b"made")
    if gate.progress is not None and gate.checkpoint is not None:
        await job.progress(gate.progress, checkpoint=gate.checkpoint)
    elif gate.progress is not None:
        await job.progress(gate.progress)
    while not os.path.exists(gate.gate):  # noqa: ASYNC110, ASYNC240  # another process makes it
        await asyncio.sleep(0.02)
    return answer(job, "")


def child_(file: File, job: ChildJob) -> Answer:
    with subprocess.Popen(["sleep", "3600"]) as sleep:
        Path(file.file).write_text(str(sleep.pid))
        sleep.wait()
    return answer(job, "")


def stubborn_(file: File, job: ChildJob) -> Answer:
    Path(file.file).write_text(str(os.getpid()))
    while True:
        pass


async def fail_(failure: Failure, job: Job) -> Answer:
    if failure.retryable:
        raise Retry(failure.message, after=failure.after)
    raise Refused(failure.message)


async def break_(message: Message, job: Job) -> Answer:
    raise RuntimeError(message.message)


def large_(size: Size, job: ChildJob) -> Answer:
    return answer(job, "x" * size.bytes)

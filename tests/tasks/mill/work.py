"""How the mill's jobs are done: each as its grain says. `marks`: a file to which is added what happens."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

from craton import Blobs, ChildJob, Job, Retry
from tests.tasks.mill.contract import Flour, Grain, Spoilt
from tests.tasks.mill.module import MillSettings


def mark(grain: Grain, what: str) -> None:
    """Note what happens."""
    if grain.marks:
        with Path(grain.marks).open("a") as file:
            file.write(what + "\n")


async def grind(grain: Grain, job: Job) -> Flour:
    """On the loop."""
    mark(grain, f"grind begins {job.attempt}")
    if grain.how == "resume":
        if job.checkpoint is None:
            await job.progress(0.5, checkpoint={"at": 41})
            raise ValueError("again")
        return Flour(job.checkpoint["at"] + 1)
    if grain.how == "later" and job.attempt == 1:
        raise Retry("not yet", after=0.0)
    if grain.how == "progress":
        await job.progress(0.25)
    if grain.how == "stubborn":
        try:
            await asyncio.sleep(30)
        finally:
            mark(grain, "stopped")
    fail(grain)
    await asyncio.sleep(grain.seconds)
    mark(grain, "grind ends")
    return Flour(job.attempt)


def crush(grain: Grain, job: ChildJob, settings: MillSettings) -> Flour:
    """In a process of its own."""
    mark(grain, f"crush {job.attempt} {os.getpid()}")
    if grain.how == "resume":
        if job.checkpoint is not None:
            return Flour(job.checkpoint["at"] + 1)
        job.progress(0.5, checkpoint={"at": 41})
        os.kill(os.getpid(), signal.SIGKILL)
    if grain.how == "progress":
        job.progress(0.25)
    if grain.how == "exit":
        raise SystemExit(3)
    if grain.how == "program":
        subprocess.run(["sh", "-c", f"echo program $$ >> {grain.marks}; exec sleep 60"], check=True)
    fail(grain)
    time.sleep(grain.seconds)
    return Flour(settings.weight)


def snap(grain: Grain, job: ChildJob) -> Flour:
    """The same, without retries."""
    return crush(grain, job, MillSettings())


async def bake(grain: Grain) -> Flour:
    """Bake."""
    mark(grain, "bake begins")
    await asyncio.sleep(grain.seconds)
    mark(grain, "bake ends")
    return Flour(1)


async def heavy(grain: Grain) -> Flour:
    """Takes more than its share."""
    mark(grain, "heavy begins")
    await asyncio.sleep(grain.seconds)
    mark(grain, "heavy ends")
    return Flour(3)


async def store(grain: Grain, job: Job, blobs: Blobs) -> Flour:
    """Leaves something in its folder."""
    await blobs.put(f"{job.folder}/flour.bin", b"flour")
    mark(grain, job.folder)
    await asyncio.sleep(grain.seconds)
    fail(grain)
    return Flour(5, job.folder)


def fail(grain: Grain) -> None:
    """Fail, as the grain says."""
    if grain.how == "break":
        raise ValueError("a stone is broken")
    if grain.how == "spoil":
        raise Spoilt("rats")

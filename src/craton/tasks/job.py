"""`Job`: what the handler of a task knows of its job, and tells of it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from craton.tasks.messages import Requested

NOTHING: Any = object()
Tell = Callable[[float, bytes | None], Awaitable[None]]
"""Takes how far it is, and a checkpoint as JSON; returns at once, or where there is one, when that is recorded."""
TellAtOnce = Callable[[float, bytes | None], None]


class Known:
    """A job, as one attempt at it knows it.

    `attempt` counts from 1. `fence` is higher for each attempt than for the one before. `folder`: where this attempt
    may put blobs; nobody is shown them until its result is taken. `checkpoint`: what the attempt before recorded last.
    """

    def __init__(self, job: Requested) -> None:
        self.id, self.task = job.taskid, job.taskname
        self.attempt, self.fence = int(job.taskattempt or 0), int(job.taskfence or 0)
        self.folder = job.taskfolder or ""
        self.checkpoint: Any = msgspec.json.decode(job.taskcheckpoint) if job.taskcheckpoint else None


class Job(Known):
    """The job of a handler that is an `async def`: ask for it by a parameter of this type."""

    def __init__(self, job: Requested, tell: Tell) -> None:
        super().__init__(job)
        self._tell = tell

    async def progress(self, share: float, *, checkpoint: Any = NOTHING) -> None:
        """Say how far it is, from 0 to 1. Whoever has not said so for the task's `stall` is taken to hang.

        `checkpoint`: plain types or values, which the next attempt finds in `job.checkpoint` where this one fails;
        recorded when this returns.
        """
        await self._tell(bounded(share), written(checkpoint))


class ChildJob(Known):
    """The job of a handler that is a plain `def`, and runs in a process of its own."""

    def __init__(self, job: Requested, tell: TellAtOnce) -> None:
        super().__init__(job)
        self._tell = tell

    def progress(self, share: float, *, checkpoint: Any = NOTHING) -> None:
        """As that of `Job`, without `await`."""
        self._tell(bounded(share), written(checkpoint))


def bounded(share: float) -> float:
    """A share from 0 to 1; ValueError for what is no number."""
    if math.isnan(share):
        raise ValueError("progress is a number from 0 to 1, not NaN.")
    return min(1.0, max(0.0, float(share)))


def written(checkpoint: Any) -> bytes | None:
    """A checkpoint as JSON; None where there is none."""
    return None if checkpoint is NOTHING else msgspec.json.encode(checkpoint)

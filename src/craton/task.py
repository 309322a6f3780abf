"""A task: work that takes longer than a call, as a value; what becomes of its jobs, and how its handlers end them."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeVar

from craton.contract import Faults, listed
from craton.errors import DeclarationError, Misuse
from craton.values import Event, Fault, Value

I = TypeVar("I", bound=Value)  # noqa: E741  # what goes in, and what comes out
O = TypeVar("O", bound=Value)  # noqa: E741
Length = timedelta | float
"""A length of time; a number is seconds."""
State = Literal["queued", "leased", "done", "failed", "cancelled", "expired"]
"""`queued`, also where it is due later; `leased`: a worker has it; `failed`: for good, the dead letters."""
HIGHEST = 100
"""Priorities are between this and its negative."""


@dataclass(frozen=True, init=False, slots=True)
class Task(Generic[I, O]):
    """`Task("encode", Chunk, Encoded, queue="transcode")`: jobs take a Chunk, and give an Encoded.

    Times are in seconds. `timeout`: what one attempt may take. `stall`: without progress for so long it is taken from
    its worker; None for never. `retries`: attempts after the first. `backoff`: the pause before the next attempt, at
    first and at most; it doubles each time, and a random part of it is waited. `priority`: higher ones first, each step
    as if the job had waited a minute longer. `weight`: how many of a worker's slots it takes. `expires`: it is given up
    when it has not been begun for so long. `every`: begun again and again, each so many seconds, or as a cron text in
    UTC says ("*/5 * * * *"). `raises`: the faults that its handler answers with, which are not tried again.
    """

    name: str
    input: type[I]
    output: type[O]
    queue: str
    timeout: float
    stall: float | None
    retries: int
    backoff: tuple[float, float]
    priority: int
    weight: int
    expires: float | None
    every: float | str | None
    raises: tuple[type[Fault], ...]

    def __init__(
        self, name: str, input: type[I], output: type[O],
        *, queue: str = "default", timeout: Length = 600, stall: Length | None = None, retries: int = 3,
        backoff: tuple[Length, Length] = (1, 300), priority: int = 0, weight: int = 1, expires: Length | None = None,
        every: Length | str | None = None, raises: Faults = (),
    ) -> None:
        given: dict[str, Any] = dict(
            name=name, input=input, output=output, queue=queue, timeout=seconds(timeout), stall=perhaps(stall),
            retries=retries, backoff=(seconds(backoff[0]), seconds(backoff[1])), priority=priority, weight=weight,
            expires=perhaps(expires), every=every if isinstance(every, str) else perhaps(every), raises=listed(raises),
        )
        for field, value in given.items():
            object.__setattr__(self, field, value)

    def __call__(self, input: I, /) -> Awaitable[O]:
        """For `saga.step(encode, chunk)` alone, which carries it out. Misuse where it is called."""
        raise Misuse(
            f"the task {self.name} was called: its jobs run on workers; write `await saga.step({self.name}, ...)` in a "
            f"saga, or `await tasks.submit({self.name}, ...)` in a command."
        )


class JobFailed(Event, key="job"):
    """A job failed for good, or expired. `task`: "module.task". `input`: as JSON."""

    job: str
    task: str
    error: str
    input: str


class JobStatus(Value):
    """How far a job is. `task`: "module.task". `attempt` counts from 1, 0 before the first. `progress`: 0 to 1.

    `due`: when it may be begun. `result`: its result as JSON, once it is done. `code` and `error`: of its latest
    failure. `cancelled`: it was asked to stop.
    """

    id: str
    task: str
    queue: str
    state: State
    attempt: int
    progress: float
    cancelled: bool
    worker: str
    due: datetime
    created: datetime
    updated: datetime
    code: str = ""
    error: str = ""
    result: str | None = None


class Retry(Exception):
    """Raised by a task's handler: another attempt is to be made, `after` so many seconds; None as the back-off says."""

    def __init__(self, why: str = "", *, after: Length | None = None) -> None:
        self.why, self.after = why, perhaps(after)
        super().__init__(why)


def seconds(length: Length) -> float:
    """A length of time in seconds. DeclarationError for what is none."""
    found = length.total_seconds() if isinstance(length, timedelta) else length
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise DeclarationError(f"{length!r} is no length of time: write seconds, or a timedelta.")
    return float(found)


def perhaps(length: Length | None) -> float | None:
    """The same, or None."""
    return None if length is None else seconds(length)

"""What becomes of a job whose attempt failed: another attempt, or its end. No I/O, but for chance."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from craton.task import State, Task


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt ended. `after`: seconds until the next one, None as the back-off says; `fault`: JSON."""

    code: str
    error: str
    retryable: bool = True
    after: float | None = None
    fault: str | None = None


def after(failure: Failure, task: Task[Any, Any], *, tries: int, random: Random) -> tuple[State, float]:
    """What a job becomes, and in how many seconds it is due; `tries` counts its attempts, but for those given back."""
    if not failure.retryable or tries > task.retries:
        return "failed", 0.0
    return "queued", pause(task, tries, random) if failure.after is None else max(0.0, failure.after)


def pause(task: Task[Any, Any], tries: int, random: Random) -> float:
    """Seconds until the next attempt: a random part of what doubles each time."""
    first, most = task.backoff
    return random.uniform(0.0, min(most, first * 2.0 ** min(tries - 1, 60)))

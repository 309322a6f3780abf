"""When a recurring task is begun: at whole multiples of an interval, or as a cron text says, in UTC."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

from craton.errors import DeclarationError

Next = Callable[[float], float | None]
"""The first time after another one, in seconds since 1970; None where there is none."""
SHORTEST = 1.0
"""Seconds."""


def schedule(every: float | str | None) -> Next:
    """The times of a recurring task. ValueError says why there are none; DeclarationError where an extra is missing."""
    if every is None:
        return lambda now: None
    if isinstance(every, str):
        return cron(every)
    if every < SHORTEST:
        raise ValueError(f"every={every:g}: give {SHORTEST:g} second at least.")
    return lambda now: (math.floor(now / every) + 1) * every


def cron(text: str) -> Next:
    """The times of a cron text: minute, hour, day of the month, month, day of the week."""
    try:
        from cronsim import CronSim, CronSimError
    except ImportError as error:
        raise DeclarationError(f"every={text!r} needs what reads cron texts: install craton[cron].") from error

    def following(now: float) -> float | None:
        found = next(CronSim(text, datetime.fromtimestamp(now, UTC)), None)
        return None if found is None else found.timestamp()

    try:
        never = following(0.0) is None
    except CronSimError as error:
        raise ValueError(f"every={text!r} is no cron text ({error}): write one such as '*/5 * * * *'.") from error
    if never:
        raise ValueError(f"every={text!r} never comes: name a day that there is.")
    return following

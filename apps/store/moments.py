"""Places in lists that are sorted by time: the cursors of orders, shipments and messages."""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import NamedTuple

from apps.store.catalog.contract import InvalidCursor


class Moment(NamedTuple):
    """Where a page ended: the time, in seconds since 1970, and the id of its last entry."""

    at: float
    id: str


def write_cursor(at: datetime, id: str) -> str:
    """A place, as a text that fits into a URL."""
    return f"{at.timestamp()!r}_{id}"


def read_cursor(cursor: str) -> Moment:
    """The place that a cursor stands for. InvalidCursor where it is none."""
    at, _, id = cursor.partition("_")
    try:
        found = Moment(float(at), id)
    except ValueError:
        raise InvalidCursor from None
    if not isfinite(found.at) or "\0" in id:
        raise InvalidCursor
    return found

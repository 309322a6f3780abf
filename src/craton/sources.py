"""Where time and ids come from: injected, so that tests decide them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The time of day. (Leases use the database's clock, deadlines the event loop's.)"""

    def now(self) -> datetime:
        """The time now, in UTC."""
        ...


class Ids(Protocol):
    """New identifiers."""

    def new(self, kind: str) -> str:
        """A new id such as "order-0192…", never given before; later ones sort after earlier ones."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time now, in UTC."""
        return datetime.now(UTC)


class SystemIds:
    """Ids of the time in milliseconds and 80 random bits, in hexadecimal (the layout of UUIDv7 without its dashes)."""

    def new(self, kind: str) -> str:
        """A new id, prefixed with its kind."""
        return f"{kind}-{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"

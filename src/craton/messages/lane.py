"""Lanes: how the relay gets on with each destination."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from craton.calls.retry import Backoff
from craton.messages.outbox import Row

MOST = 5.0
"""Seconds between two tries at most."""
PROBE = 10
"""Events that a destination is tried with that was away."""


@dataclass(slots=True)
class Lane:
    """The way to one destination. `open`: nothing is held back for it; `until`: it is left alone so long."""

    name: str
    open: bool = False
    until: float = 0.0
    busy: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(first=0.1, most=MOST))

    @property
    def away(self) -> bool:
        """Whether what was sent last did not arrive."""
        return self.backoff.tries > 0

    def left(self) -> float:
        """Seconds for which it is left alone."""
        return max(0.0, self.until - asyncio.get_running_loop().time())

    @property
    def free(self) -> bool:
        """Whether it can be sent something now."""
        return not self.busy and not self.left()

    def part(self, rows: list[Row]) -> list[Row]:
        """What it is sent: one that was away is tried with a few."""
        return rows[:PROBE] if self.away else rows

    def hold(self, rows: Sequence[Row]) -> None:
        """While it is left alone: a few events come up again after that, and the others wait until these arrive."""
        for row in rows[:PROBE] if self.left() else ():
            row.wait = min(row.wait, self.left())

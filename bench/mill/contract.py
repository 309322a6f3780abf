"""What the mill promises."""

from __future__ import annotations

from typing import Protocol

from bench.mill.tasks import Weighed
from craton import command, on


class Mill(Protocol):
    """Has grain ground by workers."""

    @command(allow="anyone")
    async def submit(self, at: int) -> None:
        """Submit a job, told at such a time."""
        ...

    @command(allow="anyone")
    async def submit_to_weigh(self, at: int) -> None:
        """Submit a job whose effect is written down."""
        ...

    @on(Weighed)
    async def on_weighed(self, event: Weighed) -> None:
        """Write it down."""
        ...

"""What the mill promises."""

from __future__ import annotations

from typing import Protocol

from craton import command


class Mill(Protocol):
    """Has grain ground by workers."""

    @command(allow="anyone")
    async def submit(self, at: int) -> None:
        """Submit a job, told at such a time."""
        ...

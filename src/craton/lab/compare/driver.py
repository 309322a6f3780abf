"""What makes visitors come, as far as sides are strained with it: a Generator of lab/load, or what does the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from craton.lab.load.figures import Load, Stage


class Driver(Protocol):
    """Visitors who arrive, whatever becomes of earlier ones; rates are in actions a second."""

    async def open(self, *, rate: float, seconds: float, seed: int = 0, warmup: float = 0.0) -> Load:
        """At one rate."""
        ...

    async def stages(self, stages: Sequence[Stage], *, seed: int = 0, warmup: float = 0.0) -> tuple[Load, ...]:
        """At rates that follow each other without a pause; a Load for each, by when actions were due."""
        ...

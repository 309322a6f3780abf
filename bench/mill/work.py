"""What workers do."""

from __future__ import annotations

from bench.mill.tasks import Flour, Grain, Weighed
from bench.tally import TALLY


async def grind_grain(grain: Grain) -> Flour:
    """Nothing, and count it."""
    TALLY.add(grain.at)
    return Flour()


async def weigh_grain(grain: Grain) -> Weighed:
    """Nothing, which takes a while."""
    TALLY.add(grain.at)
    return Weighed(grain.at)

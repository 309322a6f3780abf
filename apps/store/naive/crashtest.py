"""What `craton crashtest apps.store.naive` does: one customer buys, with a card that is good."""

from __future__ import annotations

from dataclasses import replace

from apps.store.crashtest import invariants, visit, wishes
from craton.lab.crashtest import Scene

__all__ = ["invariants", "scenario"]


async def scenario(scene: Scene) -> None:
    """Nothing out of the ordinary."""
    await visit(scene, [replace(wishes(scene.chance)[0], how="once", after="keep")])

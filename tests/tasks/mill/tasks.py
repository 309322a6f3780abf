"""What the mill's workers do."""

from __future__ import annotations

from craton import Task
from tests.tasks.mill.contract import Flour, Grain, Spoilt

grind = Task("grind", Grain, Flour, queue="stones", timeout=30, retries=2, backoff=(0, 0.1), raises=Spoilt)
"""On the worker's loop."""
crush = Task("crush", Grain, Flour, queue="stones", timeout=3, retries=1, backoff=(0, 0.1), raises=Spoilt)
"""In a process of its own."""
snap = Task("snap", Grain, Flour, queue="stones", timeout=1, retries=0)
"""In a process of its own, and quick."""
bake = Task("bake", Grain, Flour, queue="stones")
heavy = Task("heavy", Grain, Flour, queue="stones", weight=3, retries=0)
store = Task("store", Grain, Flour, queue="stones", retries=1, backoff=(0, 0.1))
"""Puts what it makes into blobs."""

"""Its task."""

from __future__ import annotations

from craton import Task, Value


class Grain(Value):
    """When it was submitted, in nanoseconds."""

    at: int


class Flour(Value):
    """Nothing."""


grind = Task("grind", Grain, Flour, queue="mill")

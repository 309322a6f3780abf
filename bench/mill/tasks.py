"""Its task."""

from __future__ import annotations

from craton import Event, Task, Value


class Grain(Value):
    """When it was submitted, in nanoseconds."""

    at: int


class Flour(Value):
    """Nothing."""


class Weighed(Event, key="at"):
    """Grain was weighed: the job's effect is what hears of this."""

    at: int


weigh = Task("weigh", Grain, Weighed, queue="mill")
grind = Task("grind", Grain, Flour, queue="mill")

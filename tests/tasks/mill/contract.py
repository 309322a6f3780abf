"""What others may know of the mill."""

from __future__ import annotations

from typing import Protocol

from craton import Fault, JobStatus, Value, command, query


class Grain(Value):
    """`how` says what the handler does with it."""

    how: str = ""
    seconds: float = 0.0
    marks: str = ""


class Flour(Value):
    weight: int
    how: str = ""


class Spoilt(Fault, status=409):
    by: str


class Bakery(Protocol):
    """Bakes."""

    @command(allow="anyone")
    async def bake(self, grain: Grain) -> str:
        """Submit a job."""
        ...

    @query(allow="anyone")
    async def baked(self, job: str) -> JobStatus | None:
        """How far a job is."""
        ...


class Mill(Protocol):
    """Grinds."""

    @command(allow="anyone", post="/jobs")
    async def submit(self, task: str, grain: Grain) -> str:
        """Submit a job."""
        ...

    @command(allow="anyone")
    async def submit_many(self, task: str, grain: Grain, count: int) -> tuple[str, ...]:
        """Submit some alike."""
        ...

    @command(allow="anyone")
    async def cancel(self, job: str) -> bool:
        """Cancel a job."""
        ...

    @query(allow="anyone", get="/jobs/{job}")
    async def status(self, job: str) -> JobStatus | None:
        """How far a job is."""
        ...

"""How far a comparison is, for who waits for it: a line for each step, with the time that is left."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TextIO

TRUSTED = 60.0
"""Seconds of steps that take as long as expected, as which the expectation counts: the first steps alone say little."""


@dataclass
class Progress:
    """Steps that are expected to take so many seconds: what the done ones took says how long the others will."""

    out: TextIO | None = None
    expected: dict[str, float] = field(default_factory=dict)
    planned: float = 0.0
    done: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def plan(self, kind: str, count: int, seconds: float) -> None:
        """So many steps of a kind, each of about so many seconds."""
        self.expected[kind] = seconds
        self.planned += count * seconds

    @asynccontextmanager
    async def step(self, kind: str, what: str) -> AsyncIterator[None]:
        """One of them. What was not done after all counts as done."""
        self.say(f"{kind}: {what}{self.left()}")
        try:
            yield
        finally:
            self.done += self.expected.get(kind, 0.0)

    def left(self) -> str:
        """The time that is left, in words."""
        spent, rest = time.monotonic() - self.began, max(0.0, self.planned - self.done)
        seconds = rest * (spent + TRUSTED) / (self.done + TRUSTED)
        return f" (about {duration(seconds)} left)" if rest else ""

    def say(self, line: str) -> None:
        """Tell who waits."""
        print(line, file=self.out or sys.stderr, flush=True)

    def say_all(self, lines: Sequence[str]) -> None:
        """Several lines."""
        for line in lines:
            self.say(line)


def duration(seconds: float) -> str:
    """A time for people who wait."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"

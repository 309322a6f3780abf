"""Dealing: which of the jobs that are due goes to which of the workers that ask. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from craton.tasks.messages import Take

PATIENCE = 60.0
"""Seconds that a job waits for enough room before workers are kept free for it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that is due: those of lower `rank` come first. `waited`: for so many seconds."""

    id: str
    queue: str
    weight: int
    rank: float
    waited: float


@dataclass(slots=True, eq=False)
class Hand:
    """A worker that asks, and what it is given. `idle`: it has no job yet, so that even the heaviest may begin."""

    asked: Take
    idle: bool = False
    jobs: list[str] = field(default_factory=list)
    used: int = 0
    kept: bool = False

    @property
    def room(self) -> int:
        """What is left of its room."""
        return self.asked.room - self.used

    def takes(self, candidate: Candidate) -> bool:
        """Whether the job is for it, as far as the room is not looked at."""
        return not self.kept and len(self.jobs) < self.asked.most and candidate.queue in self.asked.queues

    def fits(self, candidate: Candidate) -> bool:
        """Whether it has the room."""
        return candidate.weight <= self.room or (self.idle and not self.jobs)


def deal(candidates: Iterable[Candidate], hands: Sequence[Hand]) -> None:
    """Give each job, in their order, to the worker that has the most room left for it.

    A job that is too heavy is passed over, and after a while the emptiest worker is given nothing else, so that it can
    begin when enough of what runs there has ended.
    """
    for candidate in candidates:
        willing = [hand for hand in hands if hand.takes(candidate)]
        fitting = [hand for hand in willing if hand.fits(candidate)]
        if fitting:
            best = max(fitting, key=lambda hand: hand.room)
            best.jobs.append(candidate.id)
            best.used += candidate.weight
        elif willing and candidate.waited > PATIENCE:
            max(willing, key=lambda hand: hand.room).kept = True

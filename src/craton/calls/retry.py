"""When a call is asked again: only where that is safe, within the deadline, and out of a budget."""

from __future__ import annotations

import random
from dataclasses import dataclass

from craton.errors import (
    Failed,
    InvalidArguments,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    OutcomeUnknown,
    StillRunning,
    Withdrawn,
)

FINAL = (Failed, InvalidArguments, KeyReused, NotAllowed, NotAuthenticated, StillRunning, Withdrawn)
"""Errors that asking again would not change."""


DICE = random.Random()


@dataclass(slots=True)
class Budget:
    """Retries as a share of traffic: each call earns a fifth of a retry, and at most `reserve` are kept for later.

    So that a service that fails for all gets at most a fifth more traffic, never a multiple.
    """

    share: float = 0.2
    reserve: float = 20.0
    left: float = 20.0

    def earn(self) -> None:
        """A call was made."""
        if self.left < self.reserve:
            self.left = min(self.reserve, self.left + self.share)

    def take(self) -> bool:
        """Whether one more retry may be made; it counts as made."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass(slots=True)
class Backoff:
    """Pauses in seconds that double up to a most, each shortened by a random part so that callers spread out."""

    first: float = 0.05
    most: float = 2.0
    random: random.Random = DICE
    tries: int = 0

    def pause(self) -> float:
        """The next pause."""
        longest = min(self.most, self.first * 2.0**self.tries)
        self.tries += 1
        return longest * self.random.uniform(0.5, 1.0)


def worth_retrying(error: Exception) -> bool:
    """Whether asking again under the same key could change the answer."""
    return not isinstance(error, FINAL) or type(error) is OutcomeUnknown

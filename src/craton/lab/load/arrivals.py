"""When visitors arrive and what they do: the same for the same seed, drawn before anything is known of the answers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

from craton.lab.load.figures import Stage


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something is to be done. `due`: seconds from the beginning; `seed` is for the choices that the action makes."""

    due: float
    action: int
    seed: int


def arrivals(stages: Sequence[Stage], weights: Sequence[float], seed: int) -> Iterator[Arrival]:
    """A Poisson process whose rate is that of the stages, one after the other, each with an action of the mix."""
    chance = random.Random(seed)
    kinds, total = range(len(weights)), sum(weights)
    shares = [weight / total for weight in weights]
    began = 0.0
    for stage in stages:
        for after in moments(stage, chance):
            [action] = chance.choices(kinds, shares)
            yield Arrival(began + after, action, chance.getrandbits(48))
        began += stage.seconds


def moments(stage: Stage, chance: random.Random) -> Iterator[float]:
    """Seconds into a stage. With an even rate the expected number of arrivals grows by one each 1/rate; its growth from
    one arrival to the next is exponential (Lewis and Shedler 1979: inversion of the cumulative rate)."""
    expected = 0.0
    while (after := reached(stage, expected := expected + chance.expovariate(1.0))) < stage.seconds:
        yield after


def reached(stage: Stage, expected: float) -> float:
    """When so many arrivals are expected: rate x t + growth x t^2 / 2 = expected, solved for t."""
    growth = 0.0 if stage.until is None else (stage.until - stage.rate) / stage.seconds
    inner = stage.rate**2 + 2 * growth * expected
    if inner < 0 or (speed := stage.rate + sqrt(inner)) == 0:
        return stage.seconds  # never: the rate falls to nothing before
    return 2 * expected / speed


def steps(low: float, high: float, *, seconds: float, count: int) -> tuple[Stage, ...]:
    """A stair from one rate to another."""
    width = (high - low) / max(count - 1, 1)
    return tuple(Stage(seconds=seconds / count, rate=low + width * step) for step in range(count))

"""How many times more each side costs than the first one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from craton.lab.compare.results import Ratio, Side
from craton.lab.compare.rounds import Rounds
from craton.lab.compare.statistics import times

BY_ROUNDS = ("cpu", "cpu_database", "p50", "p99")


class Measured(Protocol):
    """A side, and its rounds."""

    rounds: Rounds
    side: Side


def ratios(measured: Mapping[str, Measured], sides: Sequence[Side]) -> tuple[Ratio, ...]:
    """All figures of all sides, against those of the first."""
    first, *others = sides
    return tuple(
        ratio for side in others for ratio in (
            *(rounds_of(measured, first.name, side.name) if {first.name, side.name} <= measured.keys() else ()),
            *whole(first, side),
        )
    )


def rounds_of(measured: Mapping[str, Measured], first: str, side: str) -> Iterator[Ratio]:
    """Round by round, since what slows a machine slows all."""
    for figure in BY_ROUNDS:
        mine, others = measured[side].rounds.figures(figure), measured[first].rounds.figures(figure)
        if len(mine) == len(others) and all(value > 0 for value in (*mine, *others)):
            yield Ratio(figure=figure, side=side, against=first, times=times(mine, others))


def whole(first: Side, side: Side) -> Iterator[Ratio]:
    """What is known once."""
    memory = [memory_of(each) for each in (side, first)]
    if all(memory):
        yield Ratio(figure="memory", side=side.name, against=first.name, times=times(memory[:1], memory[1:]))
    if side.capacity and first.capacity:
        mine, other = side.capacity.rate.rounds, first.capacity.rate.rounds
        if len(mine) == len(other) and all(value > 0 for value in (*mine, *other)):
            yield Ratio(figure="capacity", side=side.name, against=first.name, times=times(mine, other))


def memory_of(side: Side) -> int:
    """What all its processes hold after the rounds; 0 where that is not known."""
    return sum(part.memory for part in side.steady.parts if part.kind != "companion") if side.steady else 0

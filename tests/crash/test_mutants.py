"""Classic bugs, put back one by one: the sweep turns red for each."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.crash.mutants import MUTANTS
from tests.crash.shop import CASES, LONG_SILENCE, always, run
from tests.crash.stage import Stage, moments
from tests.crash.world import Plan

ALL = {**CASES, "bank silent for long": LONG_SILENCE}


@dataclass(frozen=True)
class Sweep:
    """Crashes at all moments of one case, with some fates."""

    structure: str
    case: str = "ok"
    fates: dict[tuple[str, int], str] = field(default_factory=dict)
    leaves: bool = False


FOUND_BY = {
    "no tombstone": Sweep(
        "microservices", fates={**always("inventory.reserve", "lost"), ("inventory.reserve", 1): "late"}
    ),
    "a fault is not kept in the inbox": Sweep(
        "microservices", "out of stock", {("inventory.reserve", 1): "twice"}
    ),
    "the inbox row is inserted, and its error caught": Sweep(
        "microservices", fates={("inventory.reserve", 1): "twice"}
    ),
    "a step and its journal are committed apart": Sweep("monolith"),
    "the undo is not in the intent": Sweep("microservices", "refused after authorize"),
    "the inbox row is not in the command's transaction": Sweep("microservices"),
    "a unit is answered before it is durable": Sweep("microservices"),
    "an effect leaves no intent": Sweep("microservices", "bank silent for long"),
    "an effect has a fresh key on each try": Sweep("monolith", "bank silent"),
    "a step is asked before its intent is durable": Sweep("monolith", leaves=True),
    "a merged fault rolls all back instead of undoing": Sweep("monolith", "out of stock"),
    "that it undoes is not remembered": Sweep("microservices", "refused after authorize"),
    "an abandoned saga is not picked up": Sweep("monolith", leaves=True),
}


def numbers_of(shop: Stage, sweep: Sweep) -> list[int]:
    """One point of each moment, the ones in the middle first."""
    clean = run(shop, sweep.structure, ALL[sweep.case], Plan(fates=sweep.fates))
    found = moments(clean.points)
    return sorted(found, key=lambda number: abs(number - len(clean.points) // 2))


def turns_red(shop: Stage, sweep: Sweep, numbers: list[int]) -> bool:
    """Whether any of these crashes, or none at all, leaves something wrong."""
    for kills in [frozenset[int](), *(frozenset({number}) for number in numbers)]:
        try:
            run(shop, sweep.structure, ALL[sweep.case], Plan(kills, sweep.fates), leaves=sweep.leaves)
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize("name", MUTANTS)
def test_the_sweep_finds(shop: Stage, name: str) -> None:
    sweep = FOUND_BY[name]
    numbers = numbers_of(shop, sweep)
    with MUTANTS[name]():
        run(shop, sweep.structure, CASES["ok"])  # on a sunny day nobody sees the bug
        assert turns_red(shop, sweep, numbers)
    assert not turns_red(shop, sweep, numbers[:10])

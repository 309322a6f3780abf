"""A merged saga ends as the split one does: for success, for every fault, and for every bug in every step and undo."""

from __future__ import annotations

import functools
from typing import Any
from unittest.mock import patch

import pytest

from tests.crash.shop import CASES, LONG_SILENCE, STRUCTURES, Outcome, outcome_of, run, shown
from tests.crash.stage import Stage, rows
from tests.crash.world import World, simulate
from tests.sagas.shop import BANK, Cashier, OrderDesk, Warehouse

METHODS = [
    (OrderDesk, "place", "ok"), (OrderDesk, "check", "ok"), (OrderDesk, "confirm", "ok"),
    (Warehouse, "left", "ok"), (Warehouse, "reserve", "ok"), (Cashier, "authorize", "ok"), (Cashier, "record", "ok"),
    (Cashier, "capture", "ok"), (OrderDesk, "cancel", "declined at capture"), (Cashier, "void", "declined at capture"),
    (Warehouse, "release", "declined at capture"), (Warehouse, "release", "refused after authorize"),
]
"""Each step and each undo, with a case in which it is called."""


@pytest.mark.parametrize("case", CASES)
def test_every_answer_leaves_the_same_state_and_events_in_every_structure(shop: Stage, case: str) -> None:
    split = run(shop, "microservices", CASES[case])
    for structure in STRUCTURES:
        assert run(shop, structure, CASES[case]).outcome == split.outcome, structure


def test_a_step_that_is_given_up_leaves_the_same_state_and_events_in_every_structure(shop: Stage) -> None:
    split = run(shop, "microservices", LONG_SILENCE)
    for structure in STRUCTURES:
        assert run(shop, structure, LONG_SILENCE).outcome == split.outcome, structure


def with_bug(kind: type, name: str, *, after: bool) -> Any:
    """Puts a bug into a method: it breaks before, or after, it has done its work."""
    original = getattr(kind, name)

    @functools.wraps(original)
    async def method(*args: Any, **kwargs: Any) -> Any:
        if after:
            await original(*args, **kwargs)
        raise ZeroDivisionError("a bug")

    return patch.object(kind, name, method)


async def ask_twice(world: World, case: str) -> object:
    """The answer, the same each time; None where the saga waits for a person."""
    first = await world.ask("orders.checkout", *CASES[case].arguments, key="k", once=True)
    await world.settle()
    second = await world.ask("orders.checkout", *CASES[case].arguments, key="k", once=True)
    assert first is None or shown(first) == shown(second)
    return second


def end_of(shop: Stage, structure: str, case: str) -> tuple[Outcome, bool]:
    """How a checkout ends, and whether it is parked."""
    BANK.__init__()  # type: ignore[misc]
    with shop.world(structure) as world:
        answer = simulate(world, lambda: ask_twice(world, case))
        tables = rows(world.folder)
    parked = [row for row in tables["orders_saga"] if row["state"] == "parked"]
    assert bool(parked) == (answer is None)
    return outcome_of(answer, tables), bool(parked)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("kind", "name", "case"), METHODS)
def test_a_bug_ends_alike_in_every_structure(shop: Stage, kind: type, name: str, case: str, after: bool) -> None:
    with with_bug(kind, name, after=after):
        split = end_of(shop, "microservices", case)
        for structure in STRUCTURES:
            assert end_of(shop, structure, case) == split, structure

"""A crash at every await and every commit of the checkout, one by one: same answer, same state, same stored events."""

from __future__ import annotations

import pytest

from tests.crash.shop import CASES, LONG_SILENCE, STRUCTURES, Outcome, run
from tests.crash.stage import Stage, moments, sample
from tests.crash.world import Plan, Point

TRIED = [
    *(pytest.param(case, 4 if case == "ok" else 12, id=case) for case in CASES),
    *(pytest.param(case, 0, id=f"{case}, every point", marks=pytest.mark.chaos) for case in CASES),
]
"""The one that succeeds is crashed at each fourth moment, others at fewer; in the nightly form, all at every point."""


def crash_at(shop: Stage, structure: str, case: str, numbers: list[int], *, clean: list[Point], end: Outcome) -> None:
    """A run for each of these points. In every second one the client leaves after he was not answered."""
    for turn, number in enumerate(numbers):
        ran = run(shop, structure, CASES[case], Plan(frozenset({number})), leaves=turn % 2 == 1)
        assert ran.points[:number] == clean[:number], "another point was crashed at"
        assert ran.outcome == end, f"after a crash at {clean[number - 1]}"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize(("case", "stride"), TRIED)
def test_a_crash_at_any_point_of_a_checkout_changes_nothing(
    shop: Stage, structure: str, case: str, stride: int
) -> None:
    clean = run(shop, structure, CASES[case])
    numbers = sample(clean.points, stride)
    crash_at(shop, structure, case, numbers, clean=clean.points, end=clean.outcome)
    print(f"{structure}, {case}: {len(clean.points)} points, {len(clean.commits)} commits, {len(numbers)} runs")


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_crash_while_the_bank_is_silent_for_long_leaves_money_and_stock_right(shop: Stage, structure: str) -> None:
    clean = run(shop, structure, LONG_SILENCE)
    assert clean.outcome.answer[0] == "Failed"
    for number in moments(clean.points)[::200]:
        run(shop, structure, LONG_SILENCE, Plan(frozenset({number})))

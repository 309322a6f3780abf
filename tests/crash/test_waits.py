"""Crashes at every await and every commit of a saga that gathers, sleeps and waits for an event."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.crash import mutants
from tests.crash.journey import CASES, STRUCTURES, make_post, run
from tests.crash.points import crash_points
from tests.crash.stage import Stage, instrumented, moments, sample
from tests.crash.world import Plan

STRIDES = [pytest.param(40, id="some"), pytest.param(1, id="every moment", marks=pytest.mark.chaos)]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The dispatcher and his packer, with crash points around all their awaits."""
    made = make_post(tmp_path_factory.mktemp("post"))
    with crash_points([*instrumented("tests.sagas.parcels."), mutants]):
        gc.freeze()
        yield made
        gc.unfreeze()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("case", CASES)
def test_a_crash_at_any_point_of_a_journey_changes_nothing(
    office: Stage, case: str, structure: str, stride: int
) -> None:
    end, clean = run(office, structure, CASES[case])
    numbers = sample(clean, stride)
    for number in numbers:
        outcome, points = run(office, structure, CASES[case], Plan(frozenset({number})))
        assert points[:number] == clean[:number], "another point was crashed at"
        assert outcome == end, f"after a crash at {clean[number - 1]}"
    print(f"{structure}, {case}: {len(clean)} points, {len(numbers)} runs")


@pytest.mark.parametrize("case", CASES)
def test_a_journey_ends_alike_in_every_structure(office: Stage, case: str) -> None:
    one, other = (run(office, structure, CASES[case])[0] for structure in STRUCTURES)
    assert one == other


def turns_red(office: Stage, case: str, numbers: list[int]) -> bool:
    """Whether any of these crashes, or none at all, leaves something wrong."""
    for kills in [frozenset[int](), *(frozenset({number}) for number in numbers)]:
        try:
            run(office, "microservices", CASES[case], Plan(kills))
        except AssertionError:
            return True
    return False


FOUND_BY = {
    "nobody looks for what is due": "it never arrives",
    "until when it waits is not in the journal": "it never arrives",
    "an event is kept only for who waits already": "it arrives before it is waited for",
    "a step that came to its end beside one that failed is not undone": "one is broken",
}


@pytest.mark.parametrize("name", mutants.OF_WAITS)
def test_the_sweep_finds(office: Stage, name: str) -> None:
    case = FOUND_BY[name]
    _, clean = run(office, "microservices", CASES[case])
    found = moments(clean)
    numbers = sorted(found, key=lambda number: abs(number - len(clean) // 2))
    with mutants.OF_WAITS[name]():
        assert turns_red(office, case, numbers)
    assert not turns_red(office, case, numbers[:3])

"""A crash at every await and every commit of the store's checkout; the provider's books judge the money."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import craton
from tests.crash import mutants
from tests.crash.points import bare_awaits, coroutines_run, crash_points
from tests.crash.stage import Stage, instrumented, sample
from tests.crash.store import CASES, STRUCTURES, make_store, run
from tests.crash.world import Plan
from tests.store.unit_simulation import simulated

ROOT = Path(__file__).parents[2]
OURS = (str(Path(craton.__file__).parent), str(ROOT / "apps" / "store"))
BUGS = {"a unit is answered before it is durable": "microservices", "an abandoned saga is not picked up": "monolith"}
pytestmark = pytest.mark.chaos
TRIED = [
    *(pytest.param(s, case, 24 if case == "ok" else 160, id=f"{s}-{case}")
      for s in ("monolith", "microservices") for case in CASES),
    *(pytest.param(s, case, 1, id=f"{s}-{case}, every moment", marks=pytest.mark.chaos)
      for s in STRUCTURES for case in CASES),
]
"""Structure, case, and at which moments the services are crashed: some each time, in the nightly form all."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The store, with crash points around all its awaits."""
    stage = make_store(tmp_path_factory.mktemp("store"))
    with crash_points([*instrumented("apps.store."), mutants]):
        yield stage


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The payment provider: a process of its own, with durable books."""
    with simulated(tmp_path_factory.mktemp("provider")) as simulation:
        yield simulation.url


@pytest.mark.parametrize("case", CASES)
def test_every_answer_is_the_same_in_every_structure(store: Stage, provider: str, case: str) -> None:
    split = run(store, provider, "microservices", CASES[case])
    for structure in STRUCTURES:
        assert run(store, provider, structure, CASES[case]).outcome == split.outcome, structure


@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_await_and_every_commit_of_the_checkout_has_points(store: Stage, provider: str, structure: str) -> None:
    with coroutines_run(lambda file: file.startswith(OURS)) as codes:
        ran = run(store, provider, structure, CASES["ok"])
    assert {code.co_qualname for code in codes} >= {"OrderDesk.checkout", "OrderDesk.sell", "StripeProvider.authorize"}
    assert {code.co_qualname: bare_awaits(code) for code in codes if bare_awaits(code)} == {}
    assert ran.commits
    for reached in ran.commits:
        assert [p.place for p in ran.points[reached - 1:reached + 1]] == ["before COMMIT", "after COMMIT"]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("structure", "case", "stride"), TRIED)
def test_a_crash_at_any_point_of_the_checkout_changes_nothing(
    store: Stage, provider: str, structure: str, case: str, stride: int
) -> None:
    clean = run(store, provider, structure, CASES[case])
    numbers = sample(clean.points, stride)
    for number in numbers:
        ran = run(store, provider, structure, CASES[case], Plan(frozenset({number})))
        assert ran.outcome == clean.outcome, f"after a crash at {clean.points[number - 1]}"
    print(f"{structure}, {case}: {len(clean.points)} points, {len(clean.commits)} commits, {len(numbers)} runs")


@pytest.mark.parametrize("name", BUGS)
def test_the_sweep_finds(store: Stage, provider: str, name: str) -> None:
    structure = BUGS[name]
    clean = run(store, provider, structure, CASES["ok"])
    with mutants.MUTANTS[name](), pytest.raises(AssertionError):
        for number in reversed(sample(clean.points, 4)):
            ended = run(store, provider, structure, CASES["ok"], Plan(frozenset({number}))).outcome
            assert ended == clean.outcome

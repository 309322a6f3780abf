"""The crash points themselves: there is one at every await and every commit of a checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

import craton
from tests.crash.points import bare_awaits, coroutines_run
from tests.crash.shop import CASES, STRUCTURES, run
from tests.crash.stage import Stage, moments
from tests.crash.world import Plan
from tests.sagas import shop as shop_file

OURS = (str(Path(craton.__file__).parent), str(shop_file.__file__))


def ours(file: str) -> bool:
    return file.startswith(OURS)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("case", CASES)
def test_every_await_of_a_checkout_has_points(shop: Stage, structure: str, case: str) -> None:
    with coroutines_run(ours) as codes:
        ran = run(shop, structure, CASES[case])
    names = {code.co_qualname for code in codes}
    assert {"OrderDesk.checkout", "Run.forward", "Journal.write", "Inbox.put"} <= names
    assert {"SQLiteUnit.commit", "Batch.wait", "Process.call"} <= names
    begun = "Effect.intend" if structure in ("monolith", "orders+payments") else "Effect.begin"
    assert case == "out of stock" or {begun, "Effect.attempt", "Effect.outside"} <= names
    assert {code.co_qualname: bare_awaits(code) for code in codes if bare_awaits(code)} == {}
    before = [p for p in ran.points if p.place.startswith("before ")]
    after = [p for p in ran.points if p.place.startswith("after ")]
    assert len(before) - len(after) < 10  # those who sleep for ever: none has returned from its await yet
    assert len(ran.points) > 200


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("case", CASES)
def test_every_commit_has_a_point_directly_before_and_after(shop: Stage, structure: str, case: str) -> None:
    ran = run(shop, structure, CASES[case])
    assert ran.commits
    for reached in ran.commits:
        before, after = ran.points[reached - 1:reached + 1]
        assert (before.place, after.place) == ("before COMMIT", "after COMMIT")
        assert before.service == after.service
    assert len(ran.commits) == sum(p.place == "before COMMIT" for p in ran.points)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_same_plan_takes_the_same_way(shop: Stage, structure: str) -> None:
    clean = run(shop, structure, CASES["ok"])
    assert run(shop, structure, CASES["ok"]).points == clean.points
    for number in moments(clean.points)[::20]:
        killed = run(shop, structure, CASES["ok"], Plan(frozenset({number})))
        assert killed.points[:number] == clean.points[:number]
        assert run(shop, structure, CASES["ok"], Plan(frozenset({number}))).points == killed.points


def test_deaths_at_one_moment_leave_the_same_world(shop: Stage) -> None:
    clean = run(shop, "microservices", CASES["refused after authorize"])
    first = moments(clean.points)
    for number, following in zip(first[5::25], first[6::25], strict=False):
        one = run(shop, "microservices", CASES["refused after authorize"], Plan(frozenset({number})))
        other = run(shop, "microservices", CASES["refused after authorize"], Plan(frozenset({following - 1})))
        assert one.points[number:] == other.points[following - 1:]
        assert one.outcome == other.outcome

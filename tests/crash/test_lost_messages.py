"""Requests and replies between services that are lost, late, or delivered twice; and crashes besides."""

from __future__ import annotations

import pytest

from tests.crash.shop import CASES, always, run
from tests.crash.stage import Stage, sample
from tests.crash.world import Plan

STEPS = ["inventory.left", "inventory.reserve", "payments.authorize", "payments.capture"]
FATES = ["lost", "mute", "late", "twice"]
UNDOS = ["inventory.release", "payments.void"]


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("step", STEPS)
def test_a_request_that_goes_astray_once_changes_nothing(shop: Stage, step: str, fate: str) -> None:
    plan = Plan(fates={(step, 1): fate})
    clean = run(shop, "microservices", CASES["ok"], plan)
    assert clean.outcome.answer[0] == "Order"
    for number in sample(clean.points, 40):
        killed = run(shop, "microservices", CASES["ok"], Plan(frozenset({number}), plan.fates))
        assert killed.outcome == clean.outcome


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("undo", UNDOS)
def test_an_undo_that_goes_astray_is_asked_again(shop: Stage, undo: str, fate: str) -> None:
    plan = Plan(fates={(undo, 1): fate, (undo, 2): fate})
    clean = run(shop, "microservices", CASES["declined at capture"], plan)
    assert clean.outcome.answer[0] == "Declined"
    for number in sample(clean.points, 40):
        run(shop, "microservices", CASES["declined at capture"], Plan(frozenset({number}), plan.fates))


@pytest.mark.parametrize("rest", ["lost", "mute", "late"])
@pytest.mark.parametrize("first", FATES)
@pytest.mark.parametrize("step", STEPS[:3])
def test_a_step_of_which_nothing_is_heard_is_given_up_and_never_happens_later(
    shop: Stage, step: str, first: str, rest: str
) -> None:
    plan = Plan(fates={**always(step, rest), (step, 1): first})
    clean = run(shop, "microservices", CASES["ok"], plan)
    assert clean.outcome.answer[0] == ("Order" if first == "twice" else "Failed")
    for number in sample(clean.points, 120):
        run(shop, "microservices", CASES["ok"], Plan(frozenset({number}), plan.fates))


@pytest.mark.parametrize("fate", ["mute", "late", "twice"])
@pytest.mark.parametrize(("case", "step"), [
    ("out of stock", "inventory.reserve"), ("declined at authorize", "payments.authorize"),
    ("declined at capture", "payments.capture"),
])
def test_a_fault_stays_the_answer_when_its_reason_is_gone(shop: Stage, case: str, step: str, fate: str) -> None:
    plan = Plan(fates={(step, 1): fate})
    clean = run(shop, "microservices", CASES[case], plan)
    assert clean.outcome.answer[0] in CASES[case].ends
    for number in sample(clean.points, 40):
        run(shop, "microservices", CASES[case], Plan(frozenset({number}), plan.fates))

"""What is said of a comparison follows from its figures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from craton.lab.compare.results import Blow, Comparison, Estimate, Ratio, Side, Steady, Verdict
from craton.lab.compare.statistics import estimate, times
from craton.lab.compare.verdict import verdict
from tests.lab.compare.sample import VARIANTS, whole


def judged(*cpu: float, change: Callable[[Side], Side] = lambda side: side) -> Verdict:
    """Of a monolith, and microservices that take so many times its processor time in each round."""
    sides = {side.name: side for side in whole().sides}
    ratio = Ratio(figure="cpu", side="microservices", against="monolith", times=times(cpu, [1.0] * len(cpu)))
    return verdict([sides["monolith"], change(sides["microservices"])], [ratio])


def lonely(side: Side) -> Side:
    """A side whose payments take most of the time, and nothing needs them."""
    assert side.isolation and side.steady
    every = dict.fromkeys(next(iter(side.isolation.blows)).survived, 1.0)
    blows = tuple(replace(blow, survived=every) if is_payments(blow) else blow for blow in side.isolation.blows)
    return replace(side, isolation=replace(side.isolation, blows=blows), steady=heavy(side.steady))


def is_payments(blow: Blow) -> bool:
    """Whether payments are in trouble."""
    return blow.modules == ("payments",)


def heavy(steady: Steady) -> Steady:
    """Payments take a second of each request."""
    parts = (replace(part, cpu=estimate([1.0])) if part.name == "payments" else part for part in steady.parts)
    return replace(steady, parts=tuple(parts))


def test_what_costs_much_and_gives_little_is_not_split() -> None:
    found = judged(2.6, 2.7, 2.8, 2.7, 2.7)
    assert found.headline.startswith("Split nothing: microservices takes 2.7 times the processor time of monolith")
    assert any("2.70 times the processor time" in reason and "95 %" in reason for reason in found.reasons)


def test_a_module_that_works_hard_and_fails_alone_is_taken_out() -> None:
    found = judged(2.6, 2.7, 2.8, 2.7, 2.7, change=lonely)
    assert found.headline.startswith("Split payments: the rest together")
    assert found.modules["payments"].endswith("Take it out.")
    assert all(text.endswith("Leave it in.") for name, text in found.modules.items() if name != "payments")


def test_few_rounds_are_called_a_look() -> None:
    assert judged(2.6, 2.7).headline.startswith("A look, not a measurement: ")


def test_an_interval_that_holds_1_is_no_difference() -> None:
    found = judged(0.9, 1.1, 1.2, 0.8, 1.0)
    assert any("no difference in processor time" in reason for reason in found.reasons)


def test_an_interval_that_holds_nothing_and_much_says_nothing() -> None:
    assert "Not known: " in judged(0.6, 2.4, 1.0, 2.0, 0.9).headline


def test_services_whose_death_does_the_same_are_told_together() -> None:
    lines = judged(2.6, 2.7, 2.8, 2.7, 2.7).against
    assert "microservices: while orders, inventory or payments is killed, all but checkout still works." in lines
    assert "microservices: while catalog is killed, currency still works." in lines
    assert len(lines) == 4


def test_what_was_not_tried_is_not_judged() -> None:
    found = judged(2.6, 2.7, 2.8, 2.7, 2.7, change=lambda side: replace(side, isolation=None))
    assert "what fails alone was not tried" in found.headline
    assert not found.modules
    [shares] = [reason for reason in found.reasons if "not tried" in reason]
    assert shares.endswith("What fails with each was not tried (isolation).")


def test_the_latency_of_a_side_that_was_overloaded_is_not_compared() -> None:
    found = whole()
    sides = [flooded(side) if side.name == "microservices" else side for side in found.sides]
    said = verdict(sides, found.ratios)
    assert said.reasons[0].startswith("microservices could not do 60 actions a second")
    lines = [line for line in (*said.reasons, *said.others) if "median latency" in line]
    assert not [line for line in lines if line.startswith("microservices")]
    assert [line for line in lines if line.startswith("hybrid")]


def test_reasons_are_of_the_sides_that_the_headline_speaks_of() -> None:
    found = whole()
    said = verdict(found.sides, found.ratios)
    assert not [line for line in said.reasons if line.startswith(("hybrid", "fastapi"))]
    assert {line.partition(":")[0] for line in said.others} >= {"hybrid", "fastapi-monolith"}
    assert "microservices" not in {line.partition(":")[0] for line in said.others}


def flooded(side: Side) -> Side:
    """A side of which too much was asked."""
    assert side.steady
    return replace(side, steady=replace(side.steady, overloaded=True))


def test_it_says_the_same_whichever_side_came_first() -> None:
    sides = {side.name: side for side in whole().sides}
    ratio = Ratio(
        figure="cpu", side="monolith", against="microservices",
        times=Estimate(mean=0.4, low=0.38, high=0.42, rounds=(0.4,) * 5),
    )
    found = verdict([sides["microservices"], sides["monolith"]], [ratio])
    assert "microservices takes 2.5 times the processor time of monolith" in found.headline


@pytest.mark.parametrize("sample", VARIANTS.values(), ids=VARIANTS)
def test_something_is_said_of_whatever_was_found(sample: Callable[[], Comparison]) -> None:
    found = sample()
    assert verdict(found.sides, found.ratios).headline

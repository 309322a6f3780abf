"""Intervals of few rounds hold what they promise."""

from __future__ import annotations

import random
from math import exp, sqrt

import pytest

from craton.lab.compare.statistics import STUDENT, differ, estimate, times

TRIALS = 4_000
OFF = 4 * sqrt(0.95 * 0.05 / TRIALS)
"""Four standard errors of a share of 95 % in so many trials."""


@pytest.mark.parametrize("rounds", [2, 3, 5, 10, 40])
def test_95_of_100_intervals_hold_the_true_mean(rounds: int) -> None:
    chance, held = random.Random(rounds), 0
    for _ in range(TRIALS):
        found = estimate([chance.gauss(7.0, 2.0) for _ in range(rounds)])
        held += found.low <= 7.0 <= found.high
    most = OFF + (0.01 if rounds > len(STUDENT) else 0)  # for many rounds the normal distribution is near enough
    assert held / TRIALS == pytest.approx(0.95, abs=most)


def test_95_of_100_intervals_of_a_ratio_hold_the_true_one_though_the_machine_is_slower_in_some_rounds() -> None:
    chance, held = random.Random(1), 0
    for _ in range(TRIALS):
        slowness = [exp(chance.gauss(0, 0.5)) for _ in range(5)]
        mine = [3.0 * slow * exp(chance.gauss(0, 0.05)) for slow in slowness]
        found = times(mine, [slow * exp(chance.gauss(0, 0.05)) for slow in slowness])
        held += found.low <= 3.0 <= found.high
    assert held / TRIALS == pytest.approx(0.95, abs=OFF)


def test_a_ratio_and_its_inverse_weigh_the_same() -> None:
    mine, other = [2.0, 4.0, 3.0], [1.0, 1.0, 2.0]
    one, inverse = times(mine, other), times(other, mine)
    assert one.mean == pytest.approx(1 / inverse.mean)
    assert one.low == pytest.approx(1 / inverse.high)


def test_an_interval_is_the_one_that_a_textbook_has() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.mean == 3.0
    assert found.high - found.mean == pytest.approx(2.776 * sqrt(2.5) / sqrt(5))


def test_a_single_round_shows_no_difference() -> None:
    found = times([3.0], [1.0])
    assert (found.low, found.mean, found.high) == pytest.approx((3.0, 3.0, 3.0))
    assert not differ(found)


def test_an_interval_that_holds_1_shows_no_difference() -> None:
    assert not differ(times([1.0, 1.2, 0.9], [1.0, 1.0, 1.0]))
    assert differ(times([2.0, 2.1, 1.9], [1.0, 1.0, 1.0]))

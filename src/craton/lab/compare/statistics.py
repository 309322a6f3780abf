"""Figures of several rounds as one, with the interval that holds the true mean with 95 % confidence."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, sqrt
from statistics import fmean, stdev

from craton.lab.compare.results import Estimate

STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)
"""The 97.5 % quantile of Student's t distribution for 1 to 30 degrees of freedom (NIST/SEMATECH e-Handbook of
Statistical Methods, section 1.3.6.7.2)."""
NORMAL = 1.960
"""The same for many."""


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of rounds. A single one says nothing of how far it may be off."""
    mean, reach = fmean(values), uncertainty(values)
    return Estimate(mean=mean, low=mean - reach, high=mean + reach, rounds=tuple(values))


def times(values: Sequence[float], against: Sequence[float]) -> Estimate:
    """How many times more some rounds are than others, round by round: on logarithms, so that a ratio and its inverse
    weigh the same. All must be above 0."""
    ratios = [one / other for one, other in zip(values, against, strict=True)]
    logarithms = [log(ratio) for ratio in ratios]
    mean, reach = fmean(logarithms), uncertainty(logarithms)
    return Estimate(mean=exp(mean), low=exp(mean - reach), high=exp(mean + reach), rounds=tuple(ratios))


def uncertainty(values: Sequence[float]) -> float:
    """Half of the interval around the mean."""
    if len(values) < 2:
        return 0.0
    freedom = len(values) - 1
    quantile = STUDENT[freedom - 1] if freedom <= len(STUDENT) else NORMAL
    return quantile * stdev(values) / sqrt(len(values))


def differ(ratio: Estimate) -> bool:
    """Whether a ratio shows a difference at all: one round does not, and an interval that holds 1 does not."""
    return len(ratio.rounds) > 1 and not ratio.low <= 1 <= ratio.high

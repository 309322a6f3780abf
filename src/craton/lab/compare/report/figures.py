"""How figures are written for people: with units, rounded to what three digits can say, and with their intervals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import floor, isfinite, log10

from craton.lab.compare.results import Estimate

Written = Callable[[float], str]
"""How values of one kind are written."""
Units = tuple[tuple[float, str], ...]
SECONDS: Units = ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))
BYTES: Units = ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB"))
RATE: Units = ((1.0, "/s"),)
TIMES: Units = ((1.0, "\N{MULTIPLICATION SIGN}"),)
PLAIN: Units = ((1.0, ""),)
NONE = "\N{EN DASH}"
"""Stands where nothing was measured."""


def number(value: float, *, like: float | None = None) -> str:
    """Three digits that count, as many behind the point as `like` (or the value itself) has."""
    if not isfinite(value):
        return NONE
    if abs(value) >= 1e9:
        return f"{value:.1e}"
    return f"{value:,.{behind(value if like is None else like)}f}"


def behind(value: float) -> int:
    """How many digits behind the point make three in all; two at most."""
    if not value or not isfinite(value):
        return 0
    return min(max(2 - floor(log10(abs(value)) + 1e-9), 0), 2)


def unit_of(value: float, units: Units) -> tuple[float, str]:
    """The largest unit of which there is one at least."""
    fitting = [unit for unit in units if abs(value) >= unit[0] * 0.9995]
    return fitting[-1] if fitting else units[0]


def written(value: float, units: Units) -> str:
    """With its unit."""
    if not isfinite(value):
        return NONE
    size, name = unit_of(value, units)
    text = "0" if not value else number(value / size)
    return joined(text, name)


def exactly(value: float, units: Units = PLAIN) -> str:
    """What was not measured but set, or counted: without zeros at its end that would claim to be found."""
    if not isfinite(value):
        return NONE
    scale, name = unit_of(value, units)
    text = number(value / scale) if abs(value) >= 1e9 * scale else f"{float(f'{value / scale:.4g}'):,.10g}"
    return joined(text, name)


def joined(text: str, unit: str) -> str:
    """A space that never breaks stands before a unit, none before a sign."""
    space = "" if unit in ("", TIMES[0][1]) else "\N{NO-BREAK SPACE}"
    return f"{text}{space}{unit}"


def seconds(value: float) -> str:
    """A time."""
    return written(value, SECONDS)


def size(value: float) -> str:
    """Bytes."""
    return written(value, BYTES)


def rate(value: float) -> str:
    """So many a second."""
    return written(value, RATE)


def times(value: float) -> str:
    """So many times as much."""
    return written(value, TIMES)


def plain(value: float) -> str:
    """A count, or a mean of counts."""
    return exactly(float(f"{value:.3g}") if value % 1 else value)


def tick(value: float, units: Units = PLAIN) -> str:
    """What stands at an axis, where there is little room."""
    scale, name = unit_of(value, units)
    if abs(value) < 1e5 * scale or not isfinite(value):
        return exactly(value, units)
    return joined(f"{value / scale:.3g}".replace("e+0", "e").replace("e+", "e"), name)


tick_seconds, tick_size, tick_times = (partial(tick, units=units) for units in (SECONDS, BYTES, TIMES))


def share(value: float) -> str:
    """A share between 0 and 1, in percent; what is lost only in part never looks whole."""
    if not isfinite(value):
        return NONE
    if 0.995 <= value < 1 or 0 < value < 0.005:
        return f"{floor(value * 1000) / 10:.1f}\N{NO-BREAK SPACE}%" if value < 1 - 1e-9 else "100\N{NO-BREAK SPACE}%"
    return f"{value * 100:.0f}\N{NO-BREAK SPACE}%"


def percentile(value: float) -> str:
    """0.95 is the 95th percentile."""
    return f"{value * 100:g}th"


def interval(found: Estimate, units: Units) -> str:
    """The interval of 95 %, in the unit of its mean: "3.71 to 4.02"; "" where a single round was measured."""
    if len(found.rounds) < 2:
        return ""
    scale, _ = unit_of(found.mean, units)
    low, high = (number(bound / scale, like=found.mean / scale) for bound in (found.low, found.high))
    return f"{low} to {high}"


def estimate(found: Estimate | None, units: Units) -> str:
    """The mean with its interval: "3.87 ms (3.71 to 4.02)"."""
    if found is None:
        return NONE
    within = interval(found, units)
    return f"{written(found.mean, units)} ({within})" if within else written(found.mean, units)

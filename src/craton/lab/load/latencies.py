"""Latencies as HdrHistograms: from a microsecond to a minute, three digits each, as text that can be added up.

The text is the compressed V2 format that all HdrHistogram tools read (http://hdrhistogram.org).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

LEAST, MOST, DIGITS = 1, 60_000_000, 3
"""Microseconds; what takes longer is counted as the most."""
LEVELS = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}
TICKS = 5
"""Points of a curve for each halving of the distance to 100 %."""


def encoded(seconds: Iterable[float]) -> str:
    """Latencies, in seconds."""
    histogram = HdrHistogram(LEAST, MOST, DIGITS)
    for value, count in Counter(round(each * 1e6) for each in seconds).items():
        histogram.record_value(min(max(value, LEAST), MOST), count)
    return text_of(histogram)


def added(texts: Iterable[str]) -> str:
    """All of them together."""
    return text_of(whole(texts))


def whole(texts: Iterable[str]) -> HdrHistogram:
    """All of them together, to be asked."""
    histogram = HdrHistogram(LEAST, MOST, DIGITS)
    for text in texts:
        histogram.decode_and_add(text)
    return histogram


def text_of(histogram: HdrHistogram) -> str:
    """A histogram as text."""
    text: bytes = histogram.encode()
    return text.decode("ascii")


def quantiles(texts: Iterable[str]) -> Mapping[str, float]:
    """Seconds at each of LEVELS; 0 where nothing was counted."""
    histogram = whole(texts)
    found = histogram.get_percentile_to_value_dict(list(LEVELS.values()))
    return {name: found.get(level, 0) / 1e6 for name, level in LEVELS.items()}


def within(texts: Iterable[str], seconds: float) -> int:
    """How many took no longer."""
    histogram = whole(texts)
    last = histogram.get_counts_array_index(min(round(seconds * 1e6), MOST))
    return sum(histogram.get_count_at_index(index) for index in range(last + 1))


def curve(texts: Iterable[str]) -> tuple[tuple[float, float], ...]:
    """Points (share, seconds), both rising, from the fastest to the slowest."""
    levels = whole(texts).get_percentile_iterator(TICKS)
    return tuple((each.percentile_level_iterated_to / 100, each.value_iterated_to / 1e6) for each in levels)

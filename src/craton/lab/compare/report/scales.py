"""Scales: where a value stands on an axis, and which values are marked there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, log10
from typing import Protocol


class Scale(Protocol):
    """Maps values to places between `start` and `end`; what is beyond stands at the end."""

    @property
    def start(self) -> float:
        """Where the axis begins."""
        ...

    @property
    def end(self) -> float:
        """Where it ends."""
        ...

    def place(self, value: float) -> float:
        """Where the value stands."""
        ...

    def ticks(self) -> tuple[float, ...]:
        """Values to mark."""
        ...


def between(start: float, end: float, part: float) -> float:
    """A part of the way, never beyond."""
    return start + (end - start) * min(max(part, 0.0), 1.0) if isfinite(part) else end


def even(low: float, high: float, marks: int) -> tuple[float, ...]:
    """Multiples of ones, twos or fives of a power of ten, some `marks` of them."""
    rough = (high - low) / marks
    power = 10.0 ** floor(log10(rough))
    step = next(times * power for times in (1.0, 2.0, 5.0, 10.0) if times * power >= rough * 0.999)
    return tuple(step * index for index in range(ceil(low / step * 0.9999), floor(high / step * 1.0001) + 1))


@dataclass(frozen=True)
class Linear:
    """Equal steps, from zero."""

    high: float
    start: float
    end: float
    marks: int = 5

    def place(self, value: float) -> float:
        """Where the value stands."""
        return between(self.start, self.end, value / self.high)

    def ticks(self) -> tuple[float, ...]:
        """Equal steps."""
        return even(0.0, self.high, self.marks)


@dataclass(frozen=True)
class Logarithmic:
    """Equal factors."""

    low: float
    high: float
    start: float
    end: float
    fine: bool = True

    def place(self, value: float) -> float:
        """Where the value stands; zero, which has no place, at the start."""
        if value <= 0:
            return self.start
        return between(self.start, self.end, log10(value / self.low) / log10(self.high / self.low))

    def ticks(self) -> tuple[float, ...]:
        """Powers of ten, and 2 and 5 between them where there is room."""
        decades = log10(self.high / self.low)
        step = max(1, ceil(decades / 8))
        within = (1.0, 2.0, 5.0) if decades <= (3.2 if self.fine else 1.6) else (1.0,)
        powers = range(floor(log10(self.low)) - 1, ceil(log10(self.high)) + 1)
        found = (times * 10.0**power for power in powers if power % step == 0 for times in within)
        there = tuple(value for value in found if self.low * 0.999 <= value <= self.high * 1.001)
        return there if len(there) > 1 else even(self.low, self.high, 3)


@dataclass(frozen=True)
class Percentiles:
    """Shares below 1, stretched towards 1 by their number of nines, as HdrHistogram plots them."""

    most: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where the share stands."""
        if value >= 1:
            return self.end
        return between(self.start, self.end, log10(1 - max(value, 0.0)) / log10(1 - self.most))

    def ticks(self) -> tuple[float, ...]:
        """The median, and nines."""
        return tuple(share for share in (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999) if share <= self.most)


def linear(values: Iterable[float], *, start: float, end: float, marks: int = 5) -> Linear:
    """From zero to a little above the highest value."""
    return Linear(max([0.0, *finite(values)]) * 1.05 or 1.0, start, end, marks)


def logarithmic(
    values: Iterable[float], *, start: float, end: float, room: float = 1.15, fine: bool = True,
) -> Logarithmic:
    """From a little below the lowest value above zero to a little above the highest."""
    found = [value for value in finite(values) if value > 0]
    low, high = min(found, default=1.0) / room, max(found, default=10.0) * room
    return Logarithmic(low, max(high, low * 1.5), start, end, fine)


def finite(values: Iterable[float]) -> list[float]:
    """Those that stand somewhere."""
    return [value for value in values if -inf < value < inf]

"""What a request costs, memory, and how often as much as the first side: a row for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from markupsafe import Markup

from craton.lab.compare.report import figures
from craton.lab.compare.report.drawing import element, rectangle, whisker
from craton.lab.compare.report.looks import Look, looks, with_look
from craton.lab.compare.report.rows import Group, Marks, Row, Rows
from craton.lab.compare.report.scales import Scale, linear, logarithmic
from craton.lab.compare.results import Comparison, Estimate, Ratio, Steady

KINDS = ("service", "gateway", "worker", "database")
NAMES = {"service": "services", "gateway": "gateway", "worker": "workers", "database": "database"}
FIGURES = {
    "cpu": "Processor time per request (less is better)",
    "cpu_database": "Processor time of the database per request (less is better)",
    "p50": "Median latency (less is better)",
    "p99": "99th percentile of latency (less is better)", "capacity": "Highest rate (more is better)",
    "memory": "Memory (less is better)",
}
Piece = tuple[str, float]
"""A kind of part, and how much of a bar it is."""


def cpu_of(steady: Steady) -> list[Piece]:
    """Processor seconds per request by kind; companions stand for the outside world and are left out."""
    return [(kind, sum(part.cpu.mean for part in steady.parts if part.kind == kind)) for kind in KINDS]


def memory_of(steady: Steady) -> list[Piece]:
    """Bytes by kind."""
    return [(kind, float(sum(part.memory for part in steady.parts if part.kind == kind))) for kind in KINDS]


def stacked(pieces: Sequence[Piece], unit: figures.Written, scale: Scale, y: float) -> Markup:
    """A bar of several pieces."""
    parts, below = [], 0.0
    for kind, value in pieces:
        start, end = scale.place(below), scale.place(below + value)
        parts.append(rectangle(start, y - 8, end - start, 16.0, f"piece {kind}", f"{NAMES[kind]}: {unit(value)}"))
        below += value
    return Markup("").join(parts)


def cost_marks(steady: Steady) -> Marks:
    """What runs the application, then its database, each with its own interval."""
    pieces = cpu_of(steady)
    own = sum(value for kind, value in pieces if kind != "database")

    def marks(scale: Scale, y: float) -> Markup:
        bar = stacked(pieces, figures.seconds, scale, y)
        return bar + reach(steady.cpu, scale, y - 3) + reach(steady.cpu_database, scale, y + 3, above=own)
    return marks


def reach(found: Estimate, scale: Scale, y: float, above: float = 0.0) -> Markup:
    """An interval, where there is one."""
    if len(found.rounds) < 2:
        return Markup("")
    return whisker(scale.place(found.low + above), scale.place(found.high + above), y)


def cost(found: Comparison) -> Markup | None:
    """Processor time for one request."""
    rows, ends = [], [0.0]
    for side, look in with_look(found, "steady"):
        assert side.steady
        own, base = side.steady.cpu, side.steady.cpu_database
        said = f"{figures.seconds(own.mean)} + {figures.seconds(base.mean)} database"
        rows.append(Row(look, side.name, said, cost_marks(side.steady)))
        ends += [own.high + base.mean, own.mean + base.high]
    axis = "processor time per request"
    return drawn(rows, ends, figures.tick_seconds, axis, "Processor time per request of each side")


def memory(found: Comparison) -> Markup | None:
    """Memory after the rounds."""
    rows, ends = [], [0.0]
    for side, look in with_look(found, "steady"):
        assert side.steady
        pieces = memory_of(side.steady)
        own = sum(value for kind, value in pieces if kind != "database")
        said = f"{figures.size(own)} + {figures.size(pieces[-1][1])} database"
        rows.append(Row(look, side.name, said, partial(stacked, pieces, figures.size)))
        ends.append(own + pieces[-1][1])
    return drawn(rows, ends, figures.tick_size, "memory", "Memory of each side")


def drawn(rows: Sequence[Row], ends: Iterable[float], unit: figures.Written, axis: str, label: str) -> Markup | None:
    """Rows from zero."""
    if not rows:
        return None
    return Rows(
        groups=[Group("", rows)], scale=lambda start, end: linear(ends, start=start, end=end), unit=unit, axis=axis,
        label=f"{label}: " + "; ".join(f"{row.name} {row.said}" for row in rows),
    ).draw()


def ratios(found: Comparison) -> Markup | None:
    """How often as much as the first side."""
    kinds, groups, bounds = looks(found), [], [1.0]
    for figure in dict.fromkeys(ratio.figure for ratio in found.ratios):
        those = [ratio for ratio in found.ratios if ratio.figure == figure and ratio.side in kinds]
        groups.append(Group(FIGURES.get(figure, figure), [ratio_row(ratio, kinds[ratio.side]) for ratio in those]))
        bounds += [bound for one in those for bound in (one.times.mean, one.times.low, one.times.high)]
    if not groups:
        return None
    against = found.ratios[0].against
    said = "; ".join(f"{row.name} {row.said} {group.heading}" for group in groups for row in group.rows)
    return Rows(
        groups=groups, scale=lambda start, end: logarithmic(bounds, start=start, end=end), unit=figures.tick_times,
        at=1.0, axis=f"times as much as {against}", label=f"Times as much as {against}: {said}",
    ).draw()


def ratio_row(ratio: Ratio, look: Look) -> Row:
    """One side's."""
    times = ratio.times

    def marks(scale: Scale, y: float) -> Markup:
        return reach_of(times, scale, y, look) + look.mark(scale.place(times.mean), y, hint=figures.times(times.mean))
    return Row(look, ratio.side, figures.estimate(times, figures.TIMES), marks)


def reach_of(found: Estimate, scale: Scale, y: float, look: Look) -> Markup:
    """An interval in the colour of its side."""
    if len(found.rounds) < 2:
        return Markup("")
    return whisker(scale.place(found.low), scale.place(found.high), y, kind=f"whisker own {look.kind}", size=8.0)


def legend(found: Comparison) -> Markup:
    """What the pieces of bars stand for: those that there are."""
    there = {part.kind for side in found.sides if side.steady for part in side.steady.parts}
    items = [
        element("li", element("span", class_=f"swatch {kind}"), NAMES[kind]) for kind in KINDS if kind in there
    ]
    return element("ul", *items, class_="legend")


def scaling(found: Comparison) -> Markup | None:
    """The highest rate with more of something."""
    groups, ends = [], [0.0]
    for side, look in with_look(found, "scaling"):
        rows = []
        for one in side.scaling:
            brief = figures.estimate(one.capacity, figures.RATE)
            said = f"{brief}, {figures.number(one.per_core)} per core"
            rows.append(Row(look, one.what, said, rate_marks(one.capacity, look), brief))
            ends += [one.capacity.mean, one.capacity.high]
        groups.append(Group(side.name, rows))
    if not groups:
        return None
    said = "; ".join(f"{group.heading} with {row.name} {row.said}" for group in groups for row in group.rows)
    return Rows(
        groups=groups, scale=lambda start, end: linear(ends, start=start, end=end), unit=figures.tick,
        axis="highest rate, actions a second", label=f"Highest rate with more of something: {said}",
    ).draw()


def rate_marks(capacity: Estimate, look: Look) -> Marks:
    """A bar from zero, its interval, and its side's mark."""
    def marks(scale: Scale, y: float) -> Markup:
        start, end = scale.place(0.0), scale.place(capacity.mean)
        bar = rectangle(start, y - 5, end - start, 10.0, f"bar {look.kind}")
        return bar + reach(capacity, scale, y)
    return marks

"""A comparison as tables for a terminal of 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from craton.lab.compare.results import Comparison, Estimate, Side

COLUMNS, WIDE = 100, 26
"""Of a terminal; of the names of figures."""
SHOWN = 6
"""Of the edges and pieces of advice."""
COUNTED = (
    ("processes", "processes"), ("databases", "databases"), ("connections", "connections"), ("settings", "settings"),
    ("lines to write", "lines"), ("lines generated", "generated"),
)
"""Of what there is to run, and what it is called."""


def text(found: Comparison) -> str:
    """Everything that fits."""
    figures = "\n".join(table([side.name for side in found.sides], list(rows(found.sides))))
    first, *others = ("\n".join(map(wrapped, block)) for block in blocks(found))
    return "\n\n".join(part for part in (first, figures, *others) if part)


def wrapped(line: str) -> str:
    """A line of prose, as several where it is too long; those that follow the first stand further in."""
    inside = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.fill(line, COLUMNS, subsequent_indent=inside, drop_whitespace=True, break_on_hyphens=False)


def blocks(found: Comparison) -> Iterator[list[str]]:
    """Paragraph by paragraph."""
    yield [f"{found.application}, scenario {found.method.scenario}: {found.verdict.headline}"]
    for side in found.sides:
        if side.steady and side.steady.course:
            yield list(risen(side.name, side.steady.course))
    for side in found.sides:
        if side.isolation:
            yield list(isolation(side))
    for side in found.sides:
        if side.profile and (edges := [edge for edge in side.profile.edges if edge.remote][:SHOWN]):
            yield [f"{side.name}: who asks whom most, calls an action",
                   *(f"  {edge.asking} -> {edge.asked}: {edge.calls:.2f}" for edge in edges)]
    if advised := advice(found.sides):
        yield ["The database", *advised]
    yield [*found.verdict.reasons, *(f"But: {line}" for line in found.verdict.against)]
    if found.verdict.others:
        yield ["The other sides", *(f"  {line}" for line in found.verdict.others)]
    if found.verdict.modules:
        yield [f"{name}: {line}" for name, line in found.verdict.modules.items()]
    yield [f"Note: {note}" for note in found.method.notes]


Row = tuple[str, Sequence[str]]


def rows(sides: Sequence[Side]) -> Iterator[Row]:
    """What is known of the sides, line by line; lines of which nothing is known are left out."""
    steady, capacity = [side.steady for side in sides], [side.capacity for side in sides]
    yield "answers after", [f"{side.start:.1f} s" for side in sides]
    yield "memory when idle", [size(side.memory_idle) for side in sides]
    if any(steady):
        yield "CPU per request", [given(s.cpu if s else None, 1e3, "ms") for s in steady]
        yield "  database", [given(s.cpu_database if s else None, 1e3, "ms") for s in steady]
        for name in ("p50", "p95", "p99", "p99.9"):
            yield f"latency {name}", [given(s.latency[0].quantiles.get(name) if s else None, 1e3, "ms") for s in steady]
        if any(s and s.overloaded for s in steady):
            yield "could do that rate", ["-" if s is None else "no" if s.overloaded else "yes" for s in steady]
        yield "failed", ["-" if s is None else f"{s.latency[0].failed} of {s.latency[0].count}" for s in steady]
        yield "memory", ["-" if s is None else size(sum(part.memory for part in s.parts)) for s in steady]
        yield "bytes per request", ["-" if s is None else size(round(s.received)) for s in steady]
    if any(capacity):
        yield "highest rate", [given(c.rate if c else None, 1, "/s") for c in capacity]
    if any(side.profile for side in sides):
        mixes = [side.profile.mix if side.profile else None for side in sides]
        yield "remote calls an action", ["-" if mix is None else f"{mix.remote:.2f}" for mix in mixes]
        yield "commits an action", ["-" if mix is None else f"{mix.commits:.2f}" for mix in mixes]
    for side_rows in (scaled(sides), flooded(sides), complex_of(sides)):
        yield from side_rows


def scaled(sides: Sequence[Side]) -> Iterator[Row]:
    """The highest rates with more of something."""
    for what in dict.fromkeys(one.what for side in sides for one in side.scaling):
        found = [next((one for one in side.scaling if one.what == what), None) for side in sides]
        yield f"highest, {what}", ["-" if one is None else f"{one.capacity.mean:.0f}/s" for one in found]


def flooded(sides: Sequence[Side]) -> Iterator[Row]:
    """How they came through an overload."""
    found = [side.overload for side in sides]
    if any(found):
        yield "done in overload", ["-" if one is None else f"{one.done:.0%}" for one in found]
        yield "recovered after", [
            "-" if one is None else "never" if one.recovered_after is None else f"{one.recovered_after:.0f} s"
            for one in found
        ]


def complex_of(sides: Sequence[Side]) -> Iterator[Row]:
    """What there is to run."""
    found = [side.complexity for side in sides]
    for name, field in COUNTED:
        if any(found):
            yield name, ["-" if one is None else str(getattr(one, field)) for one in found]


def risen(name: str, course: Sequence[tuple[float, float, float, float]]) -> Iterator[str]:
    """What became of a rate that rose, now and then."""
    yield f"{name}: as the rate rises"
    every = max(1, len(course) // SHOWN)
    for time, asked, done, p95 in course[every - 1::every]:
        yield f"  second {time + 1:.0f}: {asked:.0f}/s asked, {done:.0f}/s done, p95 {p95 * 1e3:.0f} ms"


def advice(sides: Sequence[Side]) -> list[str]:
    """Each piece once, and where it was found."""
    found: dict[str, dict[str, None]] = {}
    for side in sides:
        for one in side.advice[:SHOWN]:
            found.setdefault(one.text, {})[side.name] = None
    return [f"  {', '.join(names)}: {said}" for said, names in found.items()]


def isolation(side: Side) -> Iterator[str]:
    """What survives when."""
    assert side.isolation
    yield f"{side.name}: what is still done while a service is in trouble, and when all is again"
    for blow in side.isolation.blows:
        actions = {name: share for name, share in blow.survived.items() if name != "all"}
        lost = [f"{name} {share:.0%}" for name, share in actions.items() if share < 1] if any(actions.values()) else []
        again = "never" if blow.healthy_after is None else f"{blow.healthy_after:.1f} s"
        yield f"  {blow.service} {blow.kind}: {blow.survived['all']:.0%}, again after {again}" + (
            f"; {', '.join(lost)}" if lost else ""
        )


def table(heads: Sequence[str], lines: Sequence[Row]) -> Iterator[str]:
    """Columns side by side."""
    widths = [max(len(head), *(len(cells[n]) for _, cells in lines)) for n, head in enumerate(heads)]
    yield " " * WIDE + "".join(f"  {head:>{width}}" for head, width in zip(heads, widths, strict=True))
    for name, cells in lines:
        yield f"{name:{WIDE}}" + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def given(found: Estimate | None, factor: float, unit: str) -> str:
    """A figure, and how far it may be off."""
    if found is None:
        return "-"
    reach = (found.high - found.low) / 2 * factor
    shown = f"{found.mean * factor:.4g}" if abs(found.mean * factor) < 1000 else f"{found.mean * factor:.0f}"
    return f"{shown} ±{reach:.2g} {unit}" if len(found.rounds) > 1 else f"{shown} {unit}"


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 2**20:.0f} MiB" if count >= 2**20 else f"{count / 1024:.1f} KiB"

"""Drawing with SVG: elements, and text that is escaped and fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from markupsafe import Markup, escape

WIDE, NARROW = 1040.0, 360.0
"""Each plot is drawn twice, for desks and for phones, so that its text is never too small; style shows one of both."""
Draw = Callable[[float], Markup]
"""Draws a plot of some width."""


def element(tag: str, *inside: object, **attributes: object) -> Markup:
    """One element. An underscore in an attribute's name stands for a hyphen; one at its end is dropped."""
    said = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), shown(value))
        for name, value in attributes.items() if value is not None
    )
    content = Markup("").join(escape(part) for part in inside)
    return Markup("<{0}{1}>{2}</{0}>").format(tag, said, content)


def shown(value: object) -> str:
    """A tenth of a unit is as fine as an eye sees."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def svg(inside: Markup, *, width: float, height: float, label: str, kind: str = "") -> Markup:
    """A whole drawing, which says in words what it shows to those who do not see it."""
    return element(
        "svg", inside, viewBox=f"0 0 {width:.0f} {height:.0f}", role="img", aria_label=label, class_=kind or None,
        width=f"{width:.0f}", height=f"{height:.0f}",
    )


def text(x: float, y: float, said: object, **attributes: object) -> Markup:
    """Words, whose base line is at y."""
    return element("text", said, x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def path(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """A line through points."""
    if not points:
        return Markup("")
    return element("path", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), class_=kind)


def rectangle(x: float, y: float, width: float, height: float, kind: str, hint: str = "") -> Markup:
    """A bar; the hint shows where a pointer rests on it."""
    inside = element("title", hint) if hint else ""
    return element("rect", inside, x=x, y=y, width=max(width, 0.0), height=height, class_=kind)


def whisker(low: float, high: float, y: float, *, kind: str = "whisker", size: float = 4.0) -> Markup:
    """An interval along x, with ends, and a rim that lets it be seen on any bar."""
    upright = f" {y - size:.1f}v{2 * size:.1f}"
    ends = f"M{low:.1f} {y:.1f}H{high:.1f}M{low:.1f}{upright}M{high:.1f}{upright}"
    return element("path", d=ends, class_="rim") + element("path", d=ends, class_=kind)


def short(said: str, most: int) -> str:
    """The text, or its beginning where there is no more room."""
    return said if len(said) <= most else said[: max(most - 1, 1)] + "…"


def apart(places: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Places for labels: near to where they should be, a gap between them, all within bounds where they fit."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    found = [places[index] for index in order]
    for _ in range(200):
        for one, two in pairwise(range(len(found))):
            missing = gap - (found[two] - found[one])
            if missing > 0:
                found[one], found[two] = found[one] - missing / 2, found[two] + missing / 2
        found = [min(max(place, low), high) for place in found]
    for one, two in pairwise(range(len(found))):
        found[two] = max(found[two], found[one] + gap)
    back = dict(zip(order, found, strict=True))
    return [back[index] for index in range(len(places))]


def both(draw: Draw) -> Markup:
    """The plot for desks and the one for phones."""
    wide, narrow = element("div", draw(WIDE), class_="wide"), element("div", draw(NARROW), class_="narrow")
    return element("div", wide, narrow, class_="plot")

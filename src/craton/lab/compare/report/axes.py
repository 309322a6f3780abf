"""Two axes, and the room around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from craton.lab.compare.report import figures
from craton.lab.compare.report.drawing import apart, element, line, path, short, svg, text
from craton.lab.compare.report.looks import Look
from craton.lab.compare.report.scales import Scale

Points = Sequence[tuple[float, float]]



@dataclass(frozen=True)
class Axes:
    """Two scales, and the words beside them."""

    across: Scale
    up: Scale
    across_unit: figures.Written
    up_unit: figures.Written
    across_name: str
    up_name: str

    def drawn(self) -> Markup:
        """Lines, ticks and names."""
        left, right, foot, top = self.across.start, self.across.end, self.up.start, self.up.end
        parts = [text(0.0, top - 12, self.up_name, class_="axis")]
        for value in self.up.ticks():
            y, said = self.up.place(value), self.up_unit(value)
            parts += [line(left, y, right, y, "grid"), text(left - 8, y + 4, said, class_="tick", text_anchor="end")]
        for value in self.across.ticks():
            x, said = self.across.place(value), self.across_unit(value)
            parts += [line(x, foot, x, foot + 5, "grid"), text(x, foot + 19, said, class_="tick", text_anchor="middle")]
        name = text((left + right) / 2, foot + 39, self.across_name, class_="axis", text_anchor="middle")
        return Markup("").join([*parts, line(left, foot, right, foot, "base"), name])

    def through(self, points: Points, kind: str) -> Markup:
        """A line through values."""
        return path([(self.across.place(x), self.up.place(y)) for x, y in points], kind)

    def upright(self, x: float, low: float, high: float, kind: str) -> Markup:
        """An interval along the upright axis."""
        place, bottom, top = self.across.place(x), self.up.place(low), self.up.place(high)
        ends = f"M{place:.1f} {bottom:.1f}V{top:.1f}M{place - 3:.1f} {bottom:.1f}h6M{place - 3:.1f} {top:.1f}h6"
        return element("path", d=ends, class_=kind)


def names_beside(ends: Sequence[tuple[Look, float]], x: float, *, low: float, high: float) -> Markup:
    """Each line's name at its end, the names apart from each other."""
    places = apart([y for _, y in ends], gap=19.0, low=low, high=high)
    return Markup("").join(
        look.mark(x + 8, y) + text(x + 19, y + 4.5, short(look.name, 24), class_="said")
        for (look, _), y in zip(ends, places, strict=True)
    )


def key_above(kinds: Sequence[Look], width: float) -> tuple[Markup, float]:
    """Names above a plot that has no room for them beside it, and how much room they take."""
    parts, x, y = [], 6.0, 10.0
    for look in kinds:
        name = short(look.name, int(width / 12))
        room = 38 + 7.2 * len(name)
        if x > 6 and x + room > width:
            x, y = 6.0, y + 20
        parts += [look.mark(x, y), text(x + 12, y + 4.5, name, class_="said")]
        x += room
    return Markup("").join(parts), y + 14


@dataclass(frozen=True)
class Frame:
    """The room of a plot: names beside the ends of lines, or above all of them where there is no room, or no end."""

    kinds: Sequence[Look]
    width: float
    beside: bool = True

    @property
    def narrow(self) -> bool:
        """Whether it is for phones."""
        return self.width < 600

    @property
    def named(self) -> bool:
        """Whether names stand beside the lines."""
        return self.beside and not self.narrow

    @property
    def head(self) -> tuple[Markup, float]:
        """What stands above."""
        return (Markup(""), 0.0) if self.named else key_above(self.kinds, self.width)

    @property
    def across(self) -> tuple[float, float]:
        """From where to where."""
        return 68.0, self.width - (210 if self.named else 14)

    @property
    def up(self) -> tuple[float, float]:
        """From the foot to the top."""
        top = self.head[1] + 30
        return top + (240.0 if self.narrow else 340.0), top

    def sheet(self, inside: Markup, label: str, ends: Sequence[tuple[Look, float]] = ()) -> Markup:
        """The whole drawing."""
        foot, top = self.up
        names = names_beside(ends, self.across[1], low=top, high=foot) if self.named else Markup("")
        return svg(self.head[0] + inside + names, width=self.width, height=foot + 48, label=label)

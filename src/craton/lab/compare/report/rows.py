"""Plots with a row for each figure: its name, what is drawn along one axis, and the figure itself in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from craton.lab.compare.report.drawing import both, line, short, svg, text
from craton.lab.compare.report.figures import Written
from craton.lab.compare.report.looks import Look
from craton.lab.compare.report.scales import Scale

Marks = Callable[[Scale, float], Markup]
"""Draws what a row shows, at a height."""


@dataclass(frozen=True)
class Row:
    """One figure; `brief` says it where there is less room."""

    look: Look
    name: str
    said: str
    marks: Marks
    brief: str = ""


@dataclass(frozen=True)
class Group:
    """Rows under a heading."""

    heading: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Rows:
    """The whole plot. `scale` makes the axis between two places; `at` is a value that is marked by a line."""

    groups: Sequence[Group]
    scale: Callable[[float, float], Scale]
    unit: Written
    axis: str
    label: str
    at: float | None = None

    def draw(self) -> Markup:
        """Twice: beside their names on desks, under them on phones."""
        return both(self.sized)

    def sized(self, width: float) -> Markup:
        """For one width."""
        sheet = Sheet(self, width, narrow=width < 600)
        return svg(sheet.drawn(), width=width, height=sheet.height, label=self.label)


class Sheet:
    """Where things stand on a plot of some width."""

    def __init__(self, rows: Rows, width: float, *, narrow: bool) -> None:
        self.rows, self.width, self.narrow = rows, width, narrow
        self.step = 44.0 if narrow else 30.0
        longest = max((len(row.said) for group in rows.groups for row in group.rows), default=0)
        self.left, self.right = (12.0, width - 14) if narrow else (232.0, width - 44 - min(7.4 * longest, width / 3))
        self.scale = rows.scale(self.left, self.right)
        heads = sum(28.0 for group in rows.groups if group.heading)
        self.foot = heads + sum(self.step * len(group.rows) + 10 for group in rows.groups)
        self.height = self.foot + 44

    def drawn(self) -> Markup:
        """The axis first, since rows stand upon it."""
        parts, top = [self.axis()], 0.0
        for group in self.rows.groups:
            if group.heading:
                parts.append(text(0.0, top + 19, short(group.heading, int(self.width / 8)), class_="heading"))
                top += 28
            for row in group.rows:
                parts.append(self.row(row, top))
                top += self.step
            top += 10
        return Markup("").join(parts)

    def axis(self) -> Markup:
        """Lines through all rows, and what they stand for."""
        parts = []
        for value in self.scale.ticks():
            x = self.scale.place(value)
            kind = "reference" if value == self.rows.at else "grid"
            parts.append(line(x, 0.0 if kind == "grid" else 2.0, x, self.foot, kind))
        for x, said in self.readable():
            anchor = "start" if x - self.left < 14 else "end" if self.right - x < 14 else "middle"
            parts.append(text(x, self.foot + 16, said, class_="tick", text_anchor=anchor))
        middle = (self.left + self.right) / 2
        name = short(self.rows.axis, int(self.width / 9))
        parts.append(text(middle, self.foot + 36, name, class_="axis", text_anchor="middle"))
        return Markup("").join(parts)

    def readable(self) -> list[tuple[float, str]]:
        """Ticks whose words do not touch."""
        found: list[tuple[float, str]] = []
        free = -100.0
        for value in self.scale.ticks():
            x, said = self.scale.place(value), self.rows.unit(value)
            half = 4.0 * len(said)
            if x - half > free:
                found.append((x, said))
                free = x + half + 4
        return found

    def row(self, row: Row, top: float) -> Markup:
        """One figure."""
        if self.narrow:
            words = row.brief or row.said
            name = text(16.0, top + 15, short(row.name, max(int((self.width - 26) / 7) - len(words), 6)))
            said = text(self.width, top + 15, words, text_anchor="end", class_="said")
            return row.look.mark(6.0, top + 11) + name + said + row.marks(self.scale, top + 31)
        middle = top + self.step / 2
        name = text(22.0, middle + 5, short(row.name, 28))
        said = text(self.right + 24, middle + 5, row.said, class_="said")
        return row.look.mark(8.0, middle) + name + row.marks(self.scale, middle) + said

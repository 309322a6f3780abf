"""How each side looks in every plot: a colour and a shape, so that nobody needs to see colours."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from craton.lab.compare.report.drawing import element
from craton.lab.compare.results import Comparison, Side

SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z", "M-4.5 -4.5h9v9h-9Z", "M0 -5.5L5.5 4.5H-5.5Z", "M0 -6L6 0L0 6L-6 0Z",
    "M0 5.5L5.5 -4.5H-5.5Z", "M-2 -6h4v4h4v4h-4v4h-4v-4h-4v-4h4Z",
)
"""A circle, a square, a triangle, a diamond, a triangle on its head, a cross."""


@dataclass(frozen=True)
class Look:
    """Of one side."""

    index: int
    name: str
    ours: bool

    @property
    def kind(self) -> str:
        """The class of its colour; lines of programs beside are dashed."""
        return f"s{self.index % len(SHAPES)}" + ("" if self.ours else " beside")

    def mark(self, x: float, y: float, *, kind: str = "", hint: str = "") -> Markup:
        """Its shape at a place."""
        inside = element("title", hint) if hint else ""
        return element(
            "path", inside, d=SHAPES[self.index % len(SHAPES)], transform=f"translate({x:.1f} {y:.1f})",
            class_=f"mark {self.kind} {kind}".strip(),
        )

    @property
    def key(self) -> Markup:
        """Its shape beside its name in a table."""
        return element("svg", self.mark(8.0, 8.0), viewBox="0 0 16 16", class_="key", aria_hidden="true")


def looks(found: Comparison) -> dict[str, Look]:
    """By the names of sides."""
    return {side.name: Look(index, side.name, side.ours) for index, side in enumerate(found.sides)}


def with_look(found: Comparison, phase: str) -> list[tuple[Side, Look]]:
    """The sides for which a phase found something."""
    kinds = looks(found)
    return [(side, kinds[side.name]) for side in found.sides if getattr(side, phase)]

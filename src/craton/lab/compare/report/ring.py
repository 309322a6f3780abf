"""The map of a structure: modules on a ring, those of one service on one band, calls between them across it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import cos, hypot, pi, sin, sqrt

from markupsafe import Markup

from craton.lab.compare.report import figures
from craton.lab.compare.report.drawing import element, path, short, svg, text
from craton.lab.compare.results import Comparison, Edge, Side

WIDTH, HEIGHT = 380.0, 330.0
CENTRE = (WIDTH / 2, HEIGHT / 2)
RADII = (86.0, 112.0)
Place = tuple[float, float]


def order_of(found: Comparison) -> tuple[str, ...]:
    """The same order of modules on all maps, such that those of a service stand together as far as that is possible."""
    sides = sorted((side for side in found.sides if side.ours), key=lambda side: len(side.services))
    names = list(dict.fromkeys(name for side in sides for modules in side.services.values() for name in modules))
    keys = [{name: rank for rank, modules in enumerate(side.services.values()) for name in modules} for side in sides]
    return tuple(sorted(names, key=lambda name: tuple(key.get(name, -1) for key in keys)))


@dataclass(frozen=True)
class Ring:
    """Where each module of one side stands."""

    side: Side
    names: Sequence[str]
    index: int

    def angle(self, rank: float) -> float:
        """The first one stands above."""
        return 2 * pi * rank / max(len(self.names), 1) - pi / 2

    def at(self, rank: float, out: float = 0.0) -> Place:
        """The place of a module, or further out."""
        angle = self.angle(rank)
        return CENTRE[0] + (RADII[0] + out) * cos(angle), CENTRE[1] + (RADII[1] + out) * sin(angle)

    def bands(self) -> Markup:
        """The modules of a service are joined by a band."""
        home = {name: service for service, modules in self.side.services.items() for name in modules}
        parts = []
        for service, run in groupby(enumerate(self.names), key=lambda one: home.get(one[1], "")):
            ranks = [rank for rank, _ in run]
            first, last = ranks[0], ranks[-1] + (0.001 if len(ranks) == 1 else 0)
            stops = [first + (last - first) * part / 24 for part in range(25)]
            band = path([self.at(stop) for stop in stops], "band")
            parts.append(element("g", element("title", f"service {service}"), band))
        return Markup("").join(parts)

    def module(self, rank: int, name: str) -> Markup:
        """A dot and its name."""
        (x, y), (wide, high) = self.at(rank), self.at(rank, 20.0)
        aside = cos(self.angle(rank))
        anchor = "middle" if abs(aside) < 0.2 else "start" if aside > 0 else "end"
        return element("circle", cx=x, cy=y, r=4.5, class_="module") + text(
            wide, high + 4.5, short(name, 15), class_="name", text_anchor=anchor,
        )

    def arrow(self, edge: Edge, most: float) -> Markup:
        """A call, thicker where there are more of them; bent towards the middle."""
        start, end = self.at(self.names.index(edge.asking)), self.at(self.names.index(edge.asked))
        bend = bent(start, end)
        distance = hypot(end[0] - bend[0], end[1] - bend[1]) or 1.0
        tip = end[0] + (bend[0] - end[0]) * 9 / distance, end[1] + (bend[1] - end[1]) * 9 / distance
        kind = "remote" if edge.remote else "local"
        hint = f"{edge.asking} asks {edge.asked} {figures.plain(edge.calls)} times per action, {kind}"
        course = f"M{start[0]:.1f} {start[1]:.1f}Q{bend[0]:.1f} {bend[1]:.1f} {tip[0]:.1f} {tip[1]:.1f}"
        return element(
            "path", element("title", hint), d=course, class_=f"call {kind}", marker_end=f"url(#{kind}-{self.index})",
            stroke_width=1 + 4 * sqrt(min(edge.calls / most, 1.0) if most else 0.0),
        )

    def count(self, edge: Edge) -> Markup:
        """How many calls, where they cross."""
        start, end = self.at(self.names.index(edge.asking)), self.at(self.names.index(edge.asked))
        bend = bent(start, end)
        x, y = ((one + 2 * two + three) / 4 for one, two, three in zip(start, bend, end, strict=True))
        return text(x, y + 4, figures.number(edge.calls, like=10.0 if edge.calls >= 0.95 else 1.0), class_="calls", text_anchor="middle")

    def drawn(self) -> Markup:
        """The whole map."""
        edges = [edge for edge in self.edges() if edge.asking in self.names and edge.asked in self.names]
        most = max((edge.calls for edge in edges), default=0.0)
        remote = sorted((edge for edge in edges if edge.remote), key=lambda edge: edge.calls, reverse=True)
        lines = sorted(edges, key=lambda edge: edge.remote)
        inside = [
            *(tip(kind, self.index) for kind in ("local", "remote")), self.bands(),
            *(self.arrow(edge, most) for edge in lines), *(self.count(edge) for edge in remote[:4]),
            *(self.module(rank, name) for rank, name in enumerate(self.names)),
        ]
        said = f"{self.side.name}: {len(self.side.services)} services; remote calls per action: " + (
            ", ".join(f"{edge.asking} to {edge.asked} {figures.plain(edge.calls)}" for edge in remote) or "none"
        )
        return svg(Markup("").join(inside), width=WIDTH, height=HEIGHT, label=said, kind="ring")

    def edges(self) -> Sequence[Edge]:
        """Calls, as far as they are known."""
        return self.side.profile.edges if self.side.profile else ()


def bent(start: Place, end: Place) -> Place:
    """Towards the middle, so that lines do not run along the ring, and a bit aside, so that ways back are seen."""
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    aside = (start[1] - end[1]) * 0.08, (end[0] - start[0]) * 0.08
    return middle[0] * 0.6 + CENTRE[0] * 0.4 + aside[0], middle[1] * 0.6 + CENTRE[1] * 0.4 + aside[1]


def tip(kind: str, index: int) -> Markup:
    """The head of an arrow."""
    shape = element("path", d="M0 0L7 3.5L0 7Z", class_=f"tip {kind}")
    return element(
        "marker", shape, id=f"{kind}-{index}", viewBox="0 0 7 7", refX="5", refY="3.5", markerWidth="7",
        markerHeight="7", markerUnits="userSpaceOnUse", orient="auto",
    )


def maps(found: Comparison) -> list[tuple[Side, Markup]]:
    """One of each topology of the application."""
    names = order_of(found)
    return [
        (side, Ring(side, names, index).drawn()) for index, side in enumerate(found.sides)
        if side.ours and side.profile and names
    ]

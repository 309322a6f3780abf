"""The map of a structure: modules on a ring, those of one service on one band, calls between them across it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from math import cos, hypot, pi, sin, sqrt

from markupsafe import Markup

from craton.lab.compare.report import figures
from craton.lab.compare.report.drawing import WIDE, both, element, path, short, svg, text
from craton.lab.compare.results import Comparison, Edge, Side

Place = tuple[float, float]


def order_of(found: Comparison) -> tuple[str, ...]:
    """The same order of modules on all maps, such that those of a service stand together as far as that is possible."""
    sides = sorted((side for side in found.sides if side.ours), key=lambda side: len(side.services))
    names = list(dict.fromkeys(name for side in sides for modules in side.services.values() for name in modules))
    keys = [{name: rank for rank, modules in enumerate(side.services.values()) for name in modules} for side in sides]
    return tuple(sorted(names, key=lambda name: tuple(key.get(name, -1) for key in keys)))


@dataclass(frozen=True)
class Room:
    """How large a map is, so that names have room beside it."""

    width: float
    height: float
    radii: Place
    letters: int


DESK, PHONE = Room(560.0, 380.0, (130.0, 146.0), 16), Room(400.0, 310.0, (62.0, 118.0), 15)


@dataclass(frozen=True)
class Ring:
    """Where each module of one side stands."""

    side: Side
    names: Sequence[str]
    key: str
    room: Room

    def angle(self, rank: float) -> float:
        """The first one stands above."""
        return 2 * pi * rank / max(len(self.names), 1) - pi / 2

    def at(self, rank: float, out: float = 0.0) -> Place:
        """The place of a module, or further out."""
        angle, (wide, high) = self.angle(rank), self.room.radii
        return self.centre[0] + (wide + out) * cos(angle), self.centre[1] + (high + out) * sin(angle)

    @property
    def centre(self) -> Place:
        """The middle of the ring."""
        return self.room.width / 2, self.room.height / 2

    def bend(self, edge: Edge) -> tuple[Place, Place, Place]:
        """Where a call starts and ends; between these towards the middle, and aside, so that ways back are seen."""
        start, end = self.at(self.names.index(edge.asking)), self.at(self.names.index(edge.asked))
        aside = (start[1] - end[1]) * 0.08, (end[0] - start[0]) * 0.08
        x, y = ((one + two) * 0.3 + middle * 0.4 for one, two, middle in zip(start, end, self.centre, strict=True))
        return start, (x + aside[0], y + aside[1]), end

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
            wide, high + 4.5, short(name, self.room.letters), class_="name", text_anchor=anchor,
        )

    def arrow(self, edge: Edge, most: float) -> Markup:
        """A call, thicker where there are more of them; bent towards the middle."""
        start, bend, end = self.bend(edge)
        distance = hypot(end[0] - bend[0], end[1] - bend[1]) or 1.0
        tip = end[0] + (bend[0] - end[0]) * 9 / distance, end[1] + (bend[1] - end[1]) * 9 / distance
        kind = "remote" if edge.remote else "local"
        hint = f"{edge.asking} asks {edge.asked} {figures.plain(edge.calls)} times per action, {kind}"
        course = f"M{start[0]:.1f} {start[1]:.1f}Q{bend[0]:.1f} {bend[1]:.1f} {tip[0]:.1f} {tip[1]:.1f}"
        return element(
            "path", element("title", hint), d=course, class_=f"call {kind}", marker_end=f"url(#{kind}-{self.key})",
            stroke_width=1 + 4 * sqrt(min(edge.calls / most, 1.0) if most else 0.0),
        )

    def count(self, edge: Edge) -> Markup:
        """How many calls, where they cross."""
        x, y = (0.09 * one + 0.42 * two + 0.49 * three for one, two, three in zip(*self.bend(edge), strict=True))
        return text(x, y + 4, figures.plain(edge.calls), class_="calls", text_anchor="middle")

    def drawn(self) -> Markup:
        """The whole map."""
        edges = [edge for edge in self.edges() if edge.asking in self.names and edge.asked in self.names]
        most = max((edge.calls for edge in edges), default=0.0)
        remote = sorted((edge for edge in edges if edge.remote), key=lambda edge: edge.calls, reverse=True)
        lines = sorted(edges, key=lambda edge: edge.remote)
        inside = [
            *(tip(kind, self.key) for kind in ("local", "remote")), self.bands(),
            *(self.arrow(edge, most) for edge in lines), *(self.count(edge) for edge in remote[:4]),
            *(self.module(rank, name) for rank, name in enumerate(self.names)),
        ]
        said = f"{self.side.name}: {len(self.side.services)} services; remote calls per action: " + (
            ", ".join(f"{edge.asking} to {edge.asked} {figures.plain(edge.calls)}" for edge in remote) or "none"
        )
        return svg(Markup("").join(inside), width=self.room.width, height=self.room.height, label=said)

    def edges(self) -> Sequence[Edge]:
        """Calls, as far as they are known."""
        return self.side.profile.edges if self.side.profile else ()


def tip(kind: str, key: str) -> Markup:
    """The head of an arrow."""
    shape = element("path", d="M0 0L7 3.5L0 7Z", class_=f"tip {kind}")
    return element(
        "marker", shape, id=f"{kind}-{key}", viewBox="0 0 7 7", refX="5", refY="3.5", markerWidth="7",
        markerHeight="7", markerUnits="userSpaceOnUse", orient="auto",
    )


def maps(found: Comparison) -> list[tuple[Side, Markup]]:
    """One of each topology of the application; of one with a single service only where there is no other."""
    names = order_of(found)
    known = [(index, side) for index, side in enumerate(found.sides) if side.ours and side.profile and names]
    split = [(index, side) for index, side in known if len(side.services) > 1]
    return [(side, both(partial(sized, side, names, index))) for index, side in split or known]


def sized(side: Side, names: Sequence[str], index: int, width: float) -> Markup:
    """For desks or for phones."""
    narrow = width < WIDE
    return Ring(side, names, f"{index}{'n' if narrow else ''}", PHONE if narrow else DESK).drawn()

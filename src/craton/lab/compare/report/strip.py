"""What survives trouble: a dot for each service, on a line from nothing to everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from markupsafe import Markup

from craton.lab.compare.report import figures
from craton.lab.compare.report.drawing import element
from craton.lab.compare.report.looks import Look, with_look
from craton.lab.compare.report.rows import Group, Marks, Row, Rows
from craton.lab.compare.report.scales import Linear, Scale
from craton.lab.compare.results import Blow, Comparison, Isolation

HEADINGS: Mapping[str, str] = {
    "killed": "One service is killed, again and again", "slowed": "One service answers half a second late",
    "failing": "One service answers with failures only",
}


def whole(blow: Blow) -> float:
    """The share of all actions that survived."""
    return blow.survived.get("all", fmean(blow.survived.values()) if blow.survived else 0.0)


def strip(found: Comparison) -> Markup | None:
    """All sides, for each kind of trouble."""
    groups = []
    for kind, heading in HEADINGS.items():
        rows = [
            row for side, look in with_look(found, "isolation")
            if side.isolation and (row := strip_row(side.isolation, look, kind))
        ]
        groups += [Group(heading, rows)] if rows else []
    if not groups:
        return None
    said = "; ".join(f"{group.heading}: {row.name} {row.said}" for group in groups for row in group.rows)
    return Rows(
        groups=groups, scale=lambda start, end: Linear(1.0, start, end, 4), unit=figures.share,
        axis="actions of the mix that were still done", label=f"What survives: {said}",
    ).draw()


def strip_row(isolation: Isolation, look: Look, kind: str) -> Row | None:
    """One side: its mean in words, its services as dots."""
    blows = [blow for blow in isolation.blows if blow.kind == kind]
    if not blows:
        return None
    worst = min(blows, key=whole)
    said = f"mean {figures.share(fmean(map(whole, blows)))}, least {figures.share(whole(worst))}"
    return Row(look, look.name, said, dots(blows, look))


def dots(blows: Sequence[Blow], look: Look) -> Marks:
    """Services that survive nearly equally share a disc."""
    def marks(scale: Scale, y: float) -> Markup:
        return Markup("").join(pile(those, scale, y, look) for those in near(blows, scale))
    return marks


def near(blows: Sequence[Blow], scale: Scale) -> list[list[Blow]]:
    """Those together whose marks would hide each other."""
    piles: list[list[Blow]] = []
    for blow in sorted(blows, key=whole):
        if piles and scale.place(whole(blow)) - scale.place(whole(piles[-1][0])) < 20:
            piles[-1].append(blow)
        else:
            piles.append([blow])
    return piles


def pile(blows: Sequence[Blow], scale: Scale, y: float, look: Look) -> Markup:
    """One dot with the number of its services, so that dots never hide each other."""
    x = scale.place(fmean(map(whole, blows)))
    names = ", ".join(blow.service for blow in blows)
    hint = f"{names}: {figures.share(fmean(map(whole, blows)))}"
    if len(blows) == 1:
        return look.mark(x, y, hint=hint)
    disc = element("circle", element("title", hint), cx=x, cy=y, r=9.5, class_=f"pile {look.kind}")
    return disc + element("text", len(blows), x=x, y=y + 4.2, class_="count", text_anchor="middle", aria_hidden="true")

"""The course of an overload, or of a rising rate: each second, what was asked for and done, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from craton.lab.compare.report import figures
from craton.lab.compare.report.axes import Axes
from craton.lab.compare.report.drawing import path, svg, text
from craton.lab.compare.report.looks import Look, with_look
from craton.lab.compare.report.scales import Linear, linear, logarithmic
from craton.lab.compare.results import Comparison, Overload, Side

WIDTH, HEIGHT = 500.0, 356.0
LEFT, RIGHT = 68.0, WIDTH - 12
UPPER, LOWER = (198.0, 40.0), (306.0, 246.0)
"""From the foot to the top: rates above, latency below."""
ROOM = 16.0
"""Between two words, one below the other."""
Course = Sequence[tuple[float, float, float, float]]


def courses(found: Comparison) -> list[tuple[Side, Overload, Markup]]:
    """One of each side, all with the same scale of time and latency."""
    there = with_look(found, "overload")
    return [
        (side, side.overload, drawn(side.overload.course, look, flood_said(side.overload)))
        for side, look in there if side.overload
    ]


def risings(found: Comparison) -> list[tuple[Side, Markup]]:
    """One of each side on which the rate rose."""
    there = with_look(found, "steady")
    return [
        (side, drawn(side.steady.course, look, f"as the rate of actions rises: {found.method.traffic}"))
        for side, look in there if side.steady and side.steady.course
    ]


def flood_said(found: Overload) -> str:
    """What became of a flood."""
    after = found.recovered_after
    back = "recovery was not seen" if after is None else f"recovered after {figures.seconds(after)}"
    return f"at {figures.times(found.times)} its capacity: {figures.share(found.done)} done, {back}"


def drawn(course: Course, look: Look, said: str) -> Markup:
    """Two plots on one axis of time, which begins with the course."""
    course = [(at - course[0][0], asked, done, p95) for at, asked, done, p95 in course]
    across = time_scale(course)
    values = [value for _, asked, done, _ in course for value in (asked, done)]
    rates = linear(values, start=UPPER[0], end=UPPER[1], marks=4)
    latency = logarithmic((p95 for *_, p95 in course), start=LOWER[0], end=LOWER[1], room=1.6, fine=False)
    above = Axes(across, rates, nothing, figures.tick, "", "actions a second")
    below = Axes(across, latency, figures.plain, figures.tick_seconds, "seconds", "95th percentile of latency")
    kind = f"course {look.kind}"
    parts = [
        above.drawn(), below.drawn(), asked_area(course, above),
        above.through([(at, done) for at, _, done, _ in course], kind),
        below.through([(at, p95) for at, _, _, p95 in course if p95 > 0], kind), *words(course, above),
    ]
    return svg(Markup("").join(parts), width=WIDTH, height=HEIGHT, label=f"{look.name} {said}")


def time_scale(course: Course) -> Linear:
    """From the start to the end."""
    return Linear(max((at for at, *_ in course), default=1.0) or 1.0, LEFT, RIGHT, 6)


def nothing(value: float) -> str:
    """The upper plot's axis has no words: the lower one has them."""
    return ""


def asked_area(course: Course, axes: Axes) -> Markup:
    """What was asked for, as a shape in the background."""
    if not course:
        return Markup("")
    points = [(axes.across.place(at), axes.up.place(asked)) for at, asked, _, _ in course]
    foot = axes.up.start
    return path([(points[0][0], foot), *points, (points[-1][0], foot)], "asked")


def words(course: Course, axes: Axes) -> list[Markup]:
    """The names of both, where they are highest."""
    if not course:
        return []
    at, asked, done, _ = max(course, key=lambda one: one[1])
    x, anchor = axes.across.place(at) + 6, "start"
    if x > WIDTH * 3 / 4:
        x, anchor = x - 12, "end"
    top = axes.up.place(asked) + 16
    below = axes.up.place(done) - 8
    return [
        text(x, top, "asked for", class_="axis", text_anchor=anchor),
        text(x, below if abs(below - top) > ROOM else top + ROOM, "done", class_="said", text_anchor=anchor),
    ]

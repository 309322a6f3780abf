"""How latency is distributed, and how it rises with the rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from markupsafe import Markup

from craton.lab.compare.report import figures
from craton.lab.compare.report.axes import Axes, Frame
from craton.lab.compare.report.drawing import both, line, text, whisker
from craton.lab.compare.report.looks import Look, with_look
from craton.lab.compare.report.scales import Percentiles, logarithmic
from craton.lab.compare.results import ActionLatency, Comparison, Estimate, Method, Step

MARKED = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
"""Where intervals are drawn on a distribution."""


def all_actions(latency: Sequence[ActionLatency]) -> ActionLatency | None:
    """Those of all actions together."""
    return next((one for one in latency if one.action == "all"), None)


def distribution(found: Comparison) -> Markup | None:
    """Latency at each percentile, as in plots of HdrHistogram."""
    there = [(look, all_actions(side.steady.latency)) for side, look in with_look(found, "steady") if side.steady]
    lines = [(look, one) for look, one in there if one and one.curve]
    if not lines:
        return None
    label = "Latency by percentile: " + "; ".join(f"{look.name} {spoken(one.quantiles)}" for look, one in lines)
    return both(lambda width: distribution_sized(lines, width, label))


def spoken(found: Mapping[str, Estimate]) -> str:
    """The median and the 99th percentile in words."""
    return ", ".join(f"{name} {figures.seconds(found[name].mean)}" for name in ("p50", "p99") if name in found)


def distribution_sized(lines: Sequence[tuple[Look, ActionLatency]], width: float, label: str) -> Markup:
    """For one width."""
    frame = Frame([look for look, _ in lines], width)
    shares = [share for _, one in lines for share, _ in one.curve if share < 1]
    values = [value for _, one in lines for _, value in one.curve]
    values += [held.mean for _, one in lines for held in one.quantiles.values()]
    across = Percentiles(min(max(0.99, *shares, 0.99), 0.99995), *frame.across)
    up = logarithmic(values, start=frame.up[0], end=frame.up[1])
    axes = Axes(across, up, share_name, figures.tick_seconds, "percentile of actions", "latency")
    parts, ends = [axes.drawn()], []
    for look, one in lines:
        within = [point for point in one.curve if point[0] <= across.most]
        parts.append(axes.through(within, f"course {look.kind}"))
        for name, share in MARKED.items():
            if (held := one.quantiles.get(name)) and share <= across.most:
                parts.append(axes.upright(share, held.low, held.high, f"whisker own {look.kind}"))
                parts.append(look.mark(across.place(share), up.place(held.mean)))
        ends.append((look, up.place(within[-1][1]) if within else frame.up[0]))
    return frame.sheet(Markup("").join(parts), label, ends)


def share_name(share: float) -> str:
    """99.9 for 0.999."""
    return f"{share * 100:g}"


def throughput(found: Comparison) -> Markup | None:
    """Latency at each rate that was tried, at the percentile that is to keep the objective."""
    name = f"p{found.method.percentile * 100:g}"
    lines = [
        (look, [Try(step, step.latency[name]) for step in side.capacity.steps if step.latency.get(name)],
         side.capacity.rate)
        for side, look in with_look(found, "capacity") if side.capacity
    ]
    lines = [one for one in lines if one[1]]
    if not lines:
        return None
    label = "Latency by rate; highest rates: " + "; ".join(
        f"{look.name} {figures.rate(rate.mean)}" for look, _, rate in lines
    )
    return both(lambda width: throughput_sized(lines, width, label, found.method))


@dataclass(frozen=True)
class Try:
    """A rate that was tried, and the latency that is drawn."""

    step: Step
    latency: float


Tried = tuple[Look, list[Try], Estimate]


def throughput_sized(lines: Sequence[Tried], width: float, label: str, method: Method) -> Markup:
    """For one width."""
    frame = Frame([look for look, _, _ in lines], width, beside=False)
    tries = [one for _, those, _ in lines for one in those]
    rates, waits, objective = [one.step.rate for one in tries], [one.latency for one in tries], method.objective
    across = logarithmic(rates, start=frame.across[0], end=frame.across[1], fine=not frame.narrow)
    up = logarithmic([*waits, objective], start=frame.up[0], end=frame.up[1])
    names = "actions asked for in a second", f"{figures.percentile(method.percentile)} percentile of latency"
    axes = Axes(across, up, figures.tick, figures.tick_seconds, *names)
    limit = up.place(objective)
    parts = [
        axes.drawn(), line(across.start, limit, across.end, limit, "reference"),
    ]
    for look, those, rate in lines:
        parts.append(axes.through(medians(those), f"course {look.kind}"))
        if len(rate.rounds) > 1:
            ends = across.place(rate.low), across.place(rate.high)
            parts.append(whisker(*ends, limit, kind=f"whisker own {look.kind}", size=7.0))
        for one in those:
            x, y = across.place(one.step.rate), up.place(one.latency)
            parts.append(look.mark(x, y, kind="" if one.step.kept else "hollow", hint=said(one, method)))
    name = f"objective {figures.tick_seconds(objective)}"
    parts.append(text(across.start + 4, limit - 7, name, class_="axis over"))
    return frame.sheet(Markup("").join(parts), label)


def said(one: Try, method: Method) -> str:
    """One try in words."""
    step, share = one.step, figures.percentile(method.percentile)
    return (
        f"{figures.rate(step.rate)} asked, {figures.rate(step.done)} done, {share} percentile "
        f"{figures.seconds(one.latency)}, {figures.share(step.failed)} failed"
    )


def medians(tries: Sequence[Try]) -> list[tuple[float, float]]:
    """One point for each rate, whatever the number of rounds in which it was tried."""
    by_rate = groupby(sorted(tries, key=lambda one: one.step.rate), key=lambda one: one.step.rate)
    return [(rate, median(one.latency for one in those)) for rate, those in by_rate]

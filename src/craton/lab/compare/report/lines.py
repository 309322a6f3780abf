"""How latency is distributed, and how it rises with the rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import median

from markupsafe import Markup

from craton.lab.compare.report import figures
from craton.lab.compare.report.axes import Axes, Frame
from craton.lab.compare.report.drawing import both, line, text, whisker
from craton.lab.compare.report.looks import Look, with_look
from craton.lab.compare.report.scales import Percentiles, logarithmic
from craton.lab.compare.results import ActionLatency, Comparison, Estimate, Step

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
    """Latency at each rate that was tried."""
    lines = [
        (look, [step for step in side.capacity.steps if step.latency.get("p95")], side.capacity.rate)
        for side, look in with_look(found, "capacity") if side.capacity
    ]
    lines = [one for one in lines if one[1]]
    if not lines:
        return None
    label = "Latency by rate; highest rates: " + "; ".join(
        f"{look.name} {figures.rate(rate.mean)}" for look, _, rate in lines
    )
    return both(lambda width: throughput_sized(lines, width, label, found.method.objective))


Tried = tuple[Look, list[Step], Estimate]


def throughput_sized(lines: Sequence[Tried], width: float, label: str, objective: float) -> Markup:
    """For one width."""
    frame = Frame([look for look, _, _ in lines], width, beside=False)
    steps = [step for _, those, _ in lines for step in those]
    rates, waits = [step.rate for step in steps], [step.latency["p95"] for step in steps]
    across = logarithmic(rates, start=frame.across[0], end=frame.across[1], fine=not frame.narrow)
    up = logarithmic([*waits, objective], start=frame.up[0], end=frame.up[1])
    names = "actions asked for in a second", "95th percentile of latency"
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
        for step in those:
            x, y = across.place(step.rate), up.place(step.latency["p95"])
            parts.append(look.mark(x, y, kind="" if step.kept else "hollow", hint=step_said(step)))
    name = f"objective {figures.tick_seconds(objective)}"
    parts.append(text(across.start + 4, limit - 7, name, class_="axis over"))
    return frame.sheet(Markup("").join(parts), label)


def step_said(step: Step) -> str:
    """One try in words."""
    return (
        f"{figures.rate(step.rate)} asked, {figures.rate(step.done)} done, p95 {figures.seconds(step.latency['p95'])}, "
        f"{figures.share(step.failed)} failed"
    )


def medians(steps: Sequence[Step]) -> list[tuple[float, float]]:
    """One point for each rate, whatever the number of rounds in which it was tried."""
    by_rate = groupby(sorted(steps, key=lambda step: step.rate), key=lambda step: step.rate)
    return [(rate, median(step.latency["p95"] for step in those)) for rate, those in by_rate]

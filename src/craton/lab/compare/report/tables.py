"""What the page's tables say: figures put together from several places of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

from craton.lab.compare.report import figures
from craton.lab.compare.report.strip import whole
from craton.lab.compare.results import ActionCost, ActionLatency, Advice, Blow, Comparison, Edge, Estimate, Ratio, Side
from craton.lab.compare.verdict import LOOK

MORE_IS_BETTER = ("capacity",)
SPOKEN = {
    "cpu": "the processor time per request", "cpu_database": "the processor time of the database",
    "p50": "the median latency", "p99": "the 99th percentile of latency", "capacity": "the highest rate",
    "memory": "the memory",
}
QUANTILES = ("p50", "p90", "p95", "p99", "p99.9", "max")
ENOUGH = 5
"""Rounds that a measurement needs; fewer are a look."""


def headline(found: Comparison) -> tuple[str, str, str]:
    """The verdict in two parts; that it is a look alone is said below it."""
    return found.verdict.headline.removeprefix(LOOK).partition(": ")


def when(made: str) -> str:
    """A date as people write it, or as it came."""
    try:
        return f"{datetime.fromisoformat(made).astimezone(UTC):%-d %B %Y, %H:%M} UTC"
    except ValueError:
        return made


def latency_of(side: Side, action: str = "all") -> ActionLatency | None:
    """One action of a side."""
    found = side.steady.latency if side.steady else ()
    return next((one for one in found if one.action == action), None)


def quantile(side: Side, name: str, action: str = "all") -> Estimate | None:
    """One latency of a side."""
    one = latency_of(side, action)
    return one.quantiles.get(name) if one else None


def ratio_of(found: Comparison, side: Side, figure: str) -> Estimate | None:
    """How often as much as the first side."""
    return next((one.times for one in found.ratios if one.side == side.name and one.figure == figure), None)


def memory_of(side: Side) -> float | None:
    """Memory after the rounds, without that of companions."""
    if not side.steady:
        return None
    return float(sum(part.memory for part in side.steady.parts if part.kind != "companion"))


def survival(side: Side, kind: str) -> float | None:
    """What survives on average, where each service is in trouble once."""
    blows = [blow for blow in side.isolation.blows if blow.kind == kind] if side.isolation else []
    return fmean(map(whole, blows)) if blows else None


def better_elsewhere(found: Comparison) -> list[str]:
    """Where another side is better than the first one, whatever the verdict: intervals that do not reach 1."""
    return [
        f"{one.side}: {SPOKEN.get(one.figure, one.figure)} is {figures.estimate(one.times, figures.TIMES)} that of "
        f"{one.against}"
        for one in found.ratios if better(one)
    ]


def better(ratio: Ratio) -> bool:
    """Whether even the worse end of the interval is better than the first side."""
    if len(ratio.times.rounds) < 2:
        return False
    return ratio.times.low > 1 if ratio.figure in MORE_IS_BETTER else ratio.times.high < 1


@dataclass(frozen=True)
class Asked:
    """One module asks another, in all topologies: by side, the edge, or None where nothing was asked."""

    asking: str
    asked: str
    edges: Mapping[str, Edge | None]


def chattiest(found: Comparison) -> list[Asked]:
    """Pairs of modules, those first that ask most often."""
    those = [side for side in found.sides if side.profile]
    tables = {
        side.name: {(edge.asking, edge.asked): edge for edge in side.profile.edges} for side in those if side.profile
    }
    pairs = {pair for table in tables.values() for pair in table}
    most = {pair: max(table[pair].calls for table in tables.values() if pair in table) for pair in pairs}
    return [
        Asked(*pair, {name: table.get(pair) for name, table in tables.items()})
        for pair in sorted(pairs, key=lambda pair: (-most[pair], pair))
    ]


def cost_of(side: Side, action: str) -> ActionCost | None:
    """What an action makes happen on a side."""
    if not side.profile:
        return None
    return next((one for one in (side.profile.mix, *side.profile.actions) if one.action == action), None)


def costs_of(found: Comparison, action: str) -> list[tuple[Side, ActionCost]]:
    """What an action makes happen on each side that was observed."""
    return [(side, one) for side in found.sides if (one := cost_of(side, action))]


def latencies_of(found: Comparison, action: str) -> list[tuple[Side, ActionLatency]]:
    """The latency of an action on each side that was measured."""
    return [(side, one) for side in found.sides if (one := latency_of(side, action))]


def actions_of(found: Comparison) -> list[str]:
    """All actions, in the order of the mix; those of which something is known."""
    return list(found.method.mix)


def advice_of(found: Comparison) -> list[tuple[Advice, list[Side]]]:
    """Each piece of advice once, with all sides that it was found on."""
    pieces: dict[tuple[str, str, str], tuple[Advice, list[Side]]] = {}
    for side in found.sides:
        for one in side.advice:
            pieces.setdefault((one.kind, one.method, one.statement), (one, []))[1].append(side)
    return list(pieces.values())


def sides_named(found: Comparison) -> str:
    """How many of what is compared."""
    ours = sum(side.ours for side in found.sides)
    beside = len(found.sides) - ours
    said = f"{ours} structure" + ("" if ours == 1 else "s")
    return said + (f" and {beside} program" + ("" if beside == 1 else "s") + " beside" if beside else "")


def finest(found: Comparison) -> str:
    """The topology with most services: what survives there is shown in full at once."""
    struck = [side for side in found.sides if side.ours and side.isolation]
    return max(struck, key=lambda side: len(side.services)).name if struck else ""


def blows_of(blows: Sequence[Blow]) -> dict[str, dict[str, Blow]]:
    """By service, then by kind."""
    found: dict[str, dict[str, Blow]] = {}
    for blow in blows:
        found.setdefault(blow.service, {})[blow.kind] = blow
    return found


def level(survived: float) -> int:
    """How strongly a cell is coloured: 0 where nothing was lost, 5 where all was."""
    lost = 1 - min(max(survived, 0.0), 1.0)
    return 0 if lost < 0.01 else 1 + min(int(lost * 5), 4)

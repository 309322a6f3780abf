"""What a comparison means, in plain words, by rules that stand here:

- Of the topologies the one with the fewest services is *together*, the one with the most is *split*.
- Splitting costs what the split one uses more, where the interval of the ratio does not hold 1.
- Splitting gives what still works while a service is killed: actions of which `KEPT` survive, beyond those that survive
  in the topology that is together.
- A module should be taken out where it stands alone in the split topology, at least `MOST` of the actions survive its
  death, and it uses `HEAVY` of all services' processor time: it is worth scaling alone, and may fail alone.
- Splitting all is fine where it costs less than `CHEAP` times the processor time, and something then fails alone. Where
  the interval of that ratio holds both 1 and `CHEAP`, nothing is known.
- A side that could not do what the steady rounds asked of it is said to have been overloaded: its latency is that of a
  queue, and is not compared.
- With fewer than five rounds it is called a look, and what was not tried is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from craton.lab.compare.complexity import listed
from craton.lab.compare.results import Blow, Estimate, Ratio, Side, Verdict
from craton.lab.compare.statistics import differ
from craton.lab.compare.wanted import SURE

KEPT = 0.9
"""The share of an action that must be done for it to survive."""
MOST = 0.5
"""Of all actions."""
HEAVY = 0.25
"""Of the processor time of all services."""
CHEAP = 1.2
"""Times as much."""
SHOWN = 5
"""Of the services that work most."""
LOOK = "A look, not a measurement: "
"""What comes before the headline of fewer rounds than are needed."""
WAITING = ("p50", "p99")
"""Figures that a queue spoils."""
AS_IS, DOUBLED = "as it is", " doubled"
"""Lines of the phase scaling."""
NAMES = {
    "cpu": "processor time per request", "cpu_database": "processor time of the database per request",
    "p50": "median latency", "p99": "latency at the 99th percentile", "memory": "memory", "capacity": "highest rate",
}


def verdict(sides: Sequence[Side], ratios: Sequence[Ratio]) -> Verdict:
    """What to do, and why."""
    flooded = {side.name: side.steady.rate for side in sides if side.steady and side.steady.overloaded}
    ratios = [one for one in ratios if one.figure not in WAITING or not {one.side, one.against} & flooded.keys()]
    found = of_structures(sides, ratios)
    return replace(found, reasons=(*(too_much(name, rate) for name, rate in flooded.items()), *found.reasons))


def too_much(name: str, rate: float) -> str:
    """What there is to say of a side that was overloaded."""
    return f"{name} could not do {rate:.3g} actions a second: its latency is that of a queue. Choose a lower --rate."


def of_structures(sides: Sequence[Side], ratios: Sequence[Ratio]) -> Verdict:
    """Whether to split, where there is a choice."""
    ours = [side for side in sides if side.ours]
    split = max(ours, key=lambda side: len(side.services), default=None)
    together = min(ours, key=lambda side: len(side.services), default=None)
    if split is None or together is None or len(split.services) == len(together.services):
        return Verdict(headline=beside(sides, ratios), reasons=tuple(told(ratios)), against=(), modules={})
    modules = {name: judged(name, split) for name in alone_in(split)} if killed(split) else {}
    out = [name for name, (worth, _) in modules.items() if worth]
    costs = between(ratios, split.name, together.name)
    gives, both = list(gains(split, together)), {split.name, together.name}
    return Verdict(
        headline=headline(out, costs, split, together, gives), against=tuple(gives),
        reasons=(*told(costs), *limits(split), *shares(split)),
        modules={name: text for name, (_, text) in modules.items()},
        others=tuple(told([ratio for ratio in ratios if {ratio.side, ratio.against} != both])),
    )


def headline(out: list[str], costs: Sequence[Ratio], split: Side, together: Side, gives: list[str]) -> str:
    """One sentence."""
    cpu = next((ratio for ratio in costs if ratio.figure == "cpu"), None)
    if cpu is None:
        return f"Not known: {split.name} and {together.name} were not measured at the same rate."
    price = f"{split.name} takes {cpu.times.mean:.1f} times the processor time of {together.name}"
    if len(cpu.times.rounds) > 1 and not differ(cpu.times):
        price = f"{split.name} was not shown to take more or less processor time than {together.name}"
    sure = "" if len(cpu.times.rounds) >= SURE else LOOK
    return sure + advice(out, cpu, price, gives, tried=bool(killed(split)))


def advice(out: list[str], cpu: Ratio, price: str, gives: list[str], *, tried: bool) -> str:
    """What to do, by the rules above."""
    if len(cpu.times.rounds) > 1 and cpu.times.low <= 1 <= CHEAP < cpu.times.high:
        return f"Not known: {price} (between {cpu.times.low:.2f} and {cpu.times.high:.2f} times). Measure more rounds."
    if out:
        return f"Split {' and '.join(out)}: the rest together, since {price}."
    if not tried:
        return f"Split nothing for speed: {price}; what fails alone was not tried."
    if cpu.times.low > 1 and cpu.times.mean > CHEAP:
        return f"Split nothing: {price}, and no single module is worth it."
    if gives:
        return f"Split where teams want to: {price}, and some things then fail alone."
    return f"Split nothing: {price}, and nothing is gained by it here."


def between(ratios: Sequence[Ratio], side: str, against: str) -> list[Ratio]:
    """The ratios of one side against another, whichever came first."""
    found = [ratio for ratio in ratios if (ratio.side, ratio.against) == (side, against)]
    turned = [ratio for ratio in ratios if (ratio.side, ratio.against) == (against, side)]
    return found or [Ratio(figure=r.figure, side=side, against=against, times=inverse(r.times)) for r in turned]


def inverse(times: Estimate) -> Estimate:
    """The same the other way round."""
    rounds = tuple(1 / each for each in times.rounds)
    return Estimate(mean=1 / times.mean, low=1 / times.high, high=1 / times.low, rounds=rounds)


def told(ratios: Sequence[Ratio]) -> Iterator[str]:
    """Each ratio in words; those that show no difference say so together."""
    alike: dict[tuple[str, str], list[str]] = {}
    for ratio in ratios:
        times, name = ratio.times, NAMES[ratio.figure]
        once = len(times.rounds) < 2
        if not once and not differ(times):
            alike.setdefault((ratio.side, ratio.against), []).append(f"{name} ({times.low:.2f} to {times.high:.2f})")
        else:
            reach = "measured once" if once else f"between {times.low:.2f} and {times.high:.2f}, 95 %"
            yield f"{ratio.side}: {times.mean:.2f} times the {name} of {ratio.against} ({reach})."
    for (side, against), names in alike.items():
        yield f"{side}: no difference in {', '.join(names)} to {against} was shown."


def limits(split: Side) -> Iterator[str]:
    """What splitting costs besides, and what it lets scale."""
    if split.profile:
        mix = split.profile.mix
        yield f"{split.name}: an action makes {mix.remote:.1f} calls between services, and {mix.commits:.1f} commits."
        for edge in [edge for edge in split.profile.edges if edge.remote][:1]:
            yield f"{split.name}: {edge.asking} asks {edge.asked} most, {edge.calls:.1f} times an action."
    if split.complexity:
        found = split.complexity
        yield (
            f"{split.name} has {found.processes} processes, {found.databases} databases, {found.connections} "
            f"connections to them, and {len(found.failures)} ways to fail."
        )
    base = next((one.capacity.mean for one in split.scaling if one.what == AS_IS), 0.0)
    for one in split.scaling if base else ():
        if one.what.endswith(DOUBLED):
            more = one.capacity.mean / base - 1
            yield f"{split.name}: {one.what} changes the highest rate by {more:+.0%} (tried once)."


def shares(split: Side) -> Iterator[str]:
    """Who works most, where it was not tried what fails with each."""
    found = sorted(((share_of(name, split), name) for name in split.services), reverse=True)
    if found[0][0] and not killed(split):
        most = ", ".join(f"{name} {share:.0%}" for share, name in found[:SHOWN])
        yield f"{split.name}: of the services' processor time {most}. What fails with each was not tried (isolation)."


def gains(split: Side, together: Side) -> Iterator[str]:
    """What still works in the split topology, and does not in the other."""
    best = max((len(surviving(blow)) for blow in killed(together)), default=0)
    alike: dict[str, list[str]] = {}
    for blow in killed(split):
        if len(surviving(blow)) > best:
            alike.setdefault(working(blow), []).append(blow.service)
    for works, services in alike.items():
        yield f"{split.name}: while {listed(services, 'or')} is killed, {works}."


def working(blow: Blow) -> str:
    """What survives a blow, in words."""
    lives, lost = surviving(blow), failing(blow)
    if not lost:
        return "everything still works"
    if len(lost) < len(lives):
        return f"all but {listed(lost)} still works"
    return f"{listed(lives)} still {'works' if len(lives) == 1 else 'work'}"


def judged(module: str, split: Side) -> tuple[bool, str]:
    """Whether a module should be taken out, and what that would bring and cost."""
    service = next(name for name, modules in split.services.items() if modules == (module,))
    blow, share = next((b for b in killed(split) if b.service == service), None), share_of(service, split)
    if blow is None:
        return False, f"uses {share:.0%} of the services' processor time; what fails with it was not seen."
    lives, lost = surviving(blow), failing(blow)
    worth = share >= HEAVY and len(lives) >= MOST * (len(lives) + len(lost))
    fails = f"{', '.join(lost) or 'nothing'} {'fail' if len(lost) > 1 else 'fails'} with it"
    advice = "Take it out." if worth else "Leave it in."
    return worth, f"uses {share:.0%} of the services' processor time; {fails}. {advice}"


def alone_in(split: Side) -> Iterator[str]:
    """The modules that stand alone in a topology."""
    return (modules[0] for modules in split.services.values() if len(modules) == 1)


def killed(side: Side) -> list[Blow]:
    """What became of visitors while services were killed."""
    return [blow for blow in side.isolation.blows if blow.kind == "killed"] if side.isolation else []


def surviving(blow: Blow) -> list[str]:
    """The actions that survived."""
    return [name for name, share in blow.survived.items() if name != "all" and share >= KEPT]


def failing(blow: Blow) -> list[str]:
    """Those that did not."""
    return [name for name, share in blow.survived.items() if name != "all" and share < KEPT]


def share_of(service: str, side: Side) -> float:
    """A service's share of the processor time of all services."""
    parts: Mapping[str, float] = {}
    if side.steady:
        parts = {part.name: part.cpu.mean for part in side.steady.parts if part.kind == "service"}
    return parts.get(service, 0.0) / total if (total := sum(parts.values())) else 0.0


def beside(sides: Sequence[Side], ratios: Sequence[Ratio]) -> str:
    """The headline where there is nothing to split or to join."""
    cpu = [ratio for ratio in ratios if ratio.figure == "cpu"]
    if not cpu:
        return f"{sides[0].name} was measured alone: add topologies to compare it with."
    told = (f"{one.side} takes {one.times.mean:.1f} times the processor time of {one.against}" for one in cpu)
    return f"{'; '.join(told)}."

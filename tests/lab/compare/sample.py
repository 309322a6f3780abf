"""Comparisons as they may be found, for tests of what is made of them: whole, lacking things, or overdoing them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from craton.lab.compare.results import Comparison, Estimate, Machine, Method, Ratio, Record, Side, Verdict
from tests.lab.compare.sample_sides import COST, MIX, MODULES, SERVICES, database_of, estimate, side

HOSTILE = "<script>alert(1)</script>\"'&</style><img src=x onerror=alert(2)>"
MACHINE = Machine(
    system="Linux 6.1 x86_64", processor="AMD EPYC 7B13", cores=2, memory=8_201_000_000, python="3.11.2",
    versions={"craton": "0.1.0", "postgresql": "15.9", "envoy": "1.37.1", "uvloop": "0.22.1"},
)
METHOD = Method(
    scenario="shopping", mix=MIX, rate=60.0, rounds=5, warmup=3.0, seconds=10.0, objective=0.1, percentile=0.95, seed=1,
    database="PostgreSQL 15.9, a server for each side, fsync=on, synchronous_commit=on", gateway="Envoy 1.37.1",
    command="craton compare apps.store --topologies monolith,hybrid,microservices --scenario shopping --rate 60 "
    "--beside bench/baselines/monolith.toml --beside bench/baselines/microservices.toml",
    notes=(
        "Two cores, shared with the load generator and PostgreSQL: processor time per request is the robust figure.",
        "All load comes from one address, so the limits of the edge are lifted on all sides.",
    ),
)
VERDICT = Verdict(
    headline="Split nothing: the monolith does the same work for less than half the processor time.",
    reasons=(
        "Split into 10 services, a request costs 2.7 times the processor time (95 % interval 2.6 to 2.9) and 2.4 times "
        "the median latency.",
        "No service alone limits the throughput: recommendations doubled gains 1 %, within the interval of no gain.",
        "The monolith keeps 100 ms at the 95th percentile up to 740 actions a second, the microservices up to 322.",
    ),
    against=(
        "When payments fail, 95 % of what visitors do survives in the microservices; when a monolith is down, nothing "
        "does.",
        "Teams can deploy the services apart; a comparison of figures does not see that.",
    ),
    modules={
        module: f"Taken out alone it would cost {0.1 * index:.1f} ms per request, and bring nothing that is seen here."
        for index, module in enumerate(MODULES[1:], start=1)
    },
)


def ratios(sides: Sequence[Side]) -> tuple[Ratio, ...]:
    """Each side against the first one."""
    first, chance = sides[0].name, random.Random(1)
    found = []
    for one in sides[1:]:
        cpu, median = (mine / its for mine, its in zip(COST[one.name], COST[first], strict=True))
        memory = 0.85 if len(one.services) == 1 else 0.3 * len(one.services)
        base = database_of(one.name) / database_of(first)
        times = {
            "cpu": cpu, "cpu_database": base, "p50": median, "p99": median * 1.1, "capacity": 1 / cpu**0.8,
            "memory": memory,
        }
        found += [
            Ratio(figure=figure, side=one.name, against=first, times=estimate(value, chance))
            for figure, value in times.items()
        ]
    return tuple(found)


def whole() -> Comparison:
    """Three topologies and two programs beside them, with all that there is to find."""
    sides = tuple(side(name) for name in SERVICES)
    return Comparison(
        application="store", made="2026-11-23T14:05:00+00:00", machine=MACHINE, method=METHOD, sides=sides,
        ratios=ratios(sides), verdict=VERDICT,
    )


def lacking(*phases: str) -> Comparison:
    """Without what some phases find."""
    empty: dict[str, object] = {name: () if name in ("scaling", "advice") else None for name in phases}
    found = whole()
    return replace(found, sides=tuple(replace(one, **empty) for one in found.sides))


def bare() -> Comparison:
    """Nothing but the start was measured, and nothing can be said."""
    found = lacking("steady", "capacity", "profile", "advice", "isolation", "scaling", "overload", "complexity")
    silent = Verdict(headline="Nothing was measured.", reasons=(), against=(), modules={})
    return replace(found, ratios=(), verdict=silent)


def alone() -> Comparison:
    """One side, one round: there is nothing to compare it with, and intervals have no width."""
    found = once(whole())
    only = replace(found.sides[0], capacity=None)
    return replace(found, sides=(only,), ratios=(), method=replace(found.method, rounds=1))


def once(record: Comparison) -> Comparison:
    """The same from a single round."""
    return changed(record, lambda one: replace(
        one, mean=one.rounds[0], low=one.rounds[0], high=one.rounds[0], rounds=one.rounds[:1],
    ))


def mixed() -> Comparison:
    """Each side lacks something else."""
    found = whole()
    phases = ("steady", "capacity", "profile", "isolation", "overload")
    sides = [replace(one, **{phase: None}) for one, phase in zip(found.sides, phases, strict=True)]
    return replace(found, sides=tuple(sides))


def rising() -> Comparison:
    """The rate rose in each round, and one side could not follow."""
    found = whole()
    sides = tuple(replace(one, steady=replace(one.steady, course=course(one))) for one in found.sides if one.steady)
    return replace(found, sides=sides, method=replace(found.method, traffic="20 to 120 actions a second"))


def course(one: Side) -> tuple[tuple[float, float, float, float], ...]:
    """What a side does of a rate that rises, second by second."""
    most = 1000 / COST[one.name][0] / 4
    asked = [20 + 10 * second for second in range(10)]
    return tuple((at, rate, min(rate, most), 0.02 + max(0.0, rate - most) / most) for at, rate in enumerate(asked))


def lost() -> Comparison:
    """Nothing survived, and nothing came back."""
    found = whole()
    return replace(found, sides=tuple(fallen(one) for one in found.sides))


def fallen(one: Side) -> Side:
    """A side that never recovers."""
    assert one.isolation and one.overload and one.capacity
    blows = tuple(
        replace(blow, survived=dict.fromkeys(blow.survived, 0.0), healthy_after=None) for blow in one.isolation.blows
    )
    zero = Estimate(mean=0.0, low=0.0, high=0.0, rounds=(0.0,))
    steps = tuple(replace(step, done=0.0, failed=1.0, kept=False, latency={}) for step in one.capacity.steps)
    course = tuple((second, asked, 0.0, 0.0) for second, asked, _, _ in one.overload.course)
    return replace(
        one, isolation=replace(one.isolation, blows=blows), capacity=replace(one.capacity, rate=zero, steps=steps),
        overload=replace(one.overload, done=0.0, recovered_after=None, course=course, during={}),
    )


def huge() -> Comparison:
    """Figures that no machine of today gives, and intervals that reach below nothing."""
    found = changed(whole(), lambda one: replace(
        one, mean=one.mean * 1e9, low=-one.mean * 1e9, high=one.mean * 1e12,
    ))
    sides = tuple(replace(one, memory_idle=10**18, start=1e7) for one in found.sides)
    return replace(found, sides=sides, machine=replace(found.machine, memory=10**18, cores=10_000))


def hostile() -> Comparison:
    """Every text that comes from elsewhere would like to be markup."""
    return renamed(whole(), lambda text: f"{text}{HOSTILE}")


def changed(record: Comparison, change: Callable[[Estimate], Estimate]) -> Comparison:
    """The same with other estimates."""
    def walk(found: object) -> object:
        if isinstance(found, Estimate):
            return change(found)
        return walked(found, walk)
    return msgspec.convert(msgspec.to_builtins(walk(record)), Comparison)


def renamed(record: Comparison, change: Callable[[str], str]) -> Comparison:
    """The same with other texts; but for those that are one of a few words, and names of quantiles."""
    kept = {"n+1", "index", "slow", "pool", "service", "gateway", "database", "worker", "companion", "killed", "slowed",
            "failing", "p50", "p90", "p95", "p99", "p99.9", "max", "all", "cpu", "cpu_database", "capacity", "memory"}

    def walk(found: object) -> object:
        if isinstance(found, str):
            return found if found in kept else change(found)
        return walked(found, walk)
    return msgspec.convert(msgspec.to_builtins(walk(record)), Comparison)


def walked(found: object, walk: Callable[[object], object]) -> object:
    """What is inside, changed."""
    if isinstance(found, Record):
        return replace(found, **{name: walk(getattr(found, name)) for name in found.__struct_fields__})
    if isinstance(found, Mapping):
        return {walk(name): walk(value) for name, value in found.items()}
    if isinstance(found, tuple):
        return tuple(walk(one) for one in found)
    return found


VARIANTS: Mapping[str, Callable[[], Comparison]] = {
    "whole": whole, "bare": bare, "alone": alone, "mixed": mixed, "lost": lost, "huge": huge, "hostile": hostile,
    "steady only": lambda: lacking("capacity", "profile", "advice", "isolation", "scaling", "overload", "complexity"),
    "without steady": lambda: lacking("steady"), "rising": rising,
}

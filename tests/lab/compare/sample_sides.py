"""Sides of a sample comparison: figures as they may be found, the same each time."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from math import exp, sqrt
from statistics import NormalDist, fmean, stdev
from typing import Literal

from craton.lab.compare.results import (
    ActionCost,
    ActionLatency,
    Advice,
    Blow,
    Capacity,
    Complexity,
    Edge,
    Estimate,
    Isolation,
    Overload,
    Part,
    Profile,
    Quantiles,
    Scaled,
    Side,
    Steady,
    Step,
)

MODULES = (
    "storefront", "catalog", "carts", "users", "orders", "inventory", "shipping", "payments", "recommendations",
    "notifications",
)
MIX = {"product": 10.0, "view_cart": 3.0, "currency": 2.0, "add_to_cart": 2.0, "index": 1.0, "checkout": 1.0}
SERVICES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "monolith": {"store": MODULES},
    "hybrid": {
        "shop": ("catalog", "carts", "users", "storefront"), "checkout": ("orders", "inventory", "shipping"),
        "payments": ("payments",), "extras": ("notifications", "recommendations"),
    },
    "microservices": {name: (name,) for name in MODULES},
    "fastapi-monolith": {"shop": ()},
    "fastapi-microservices": {name: () for name in MODULES[:9]},
}
WHAT = {
    "monolith": "1 service, 1 database", "hybrid": "4 services, 4 databases, Envoy",
    "microservices": "10 services, 10 databases, Envoy", "fastapi-monolith": "FastAPI + SQLAlchemy, one process",
    "fastapi-microservices": "FastAPI + SQLAlchemy, 9 services over HTTP/JSON, Envoy",
}
COST = {  # milliseconds of processor per request, and milliseconds at the median
    "monolith": (1.42, 2.6), "hybrid": (2.35, 4.1), "microservices": (3.87, 6.3), "fastapi-monolith": (4.66, 8.2),
    "fastapi-microservices": (19.8, 31.0),
}
CALLS = {
    ("storefront", "catalog"): 1.93, ("storefront", "carts"): 1.15, ("storefront", "recommendations"): 0.72,
    ("storefront", "inventory"): 0.68, ("recommendations", "catalog"): 0.72, ("storefront", "users"): 0.41,
    ("storefront", "shipping"): 0.19, ("orders", "inventory"): 0.16, ("orders", "payments"): 0.11,
    ("orders", "carts"): 0.1, ("carts", "catalog"): 0.1, ("storefront", "orders"): 0.06, ("orders", "shipping"): 0.05,
    ("orders", "catalog"): 0.05,
}
NEEDS = {  # which modules an action cannot do without
    "product": {"storefront", "catalog"}, "index": {"storefront", "catalog"}, "currency": {"storefront"},
    "view_cart": {"storefront", "carts", "catalog"}, "add_to_cart": {"storefront", "carts", "catalog"},
    "checkout": {"storefront", "carts", "catalog", "orders", "inventory", "payments"},
}
T_OF_FIVE = 2.776  # Student's t for 95 % and four degrees of freedom
KINDS: tuple[Literal["killed", "slowed", "failing"], ...] = ("killed", "slowed", "failing")


def estimate(mean: float, chance: random.Random, spread: float = 0.04, rounds: int = 5) -> Estimate:
    """A figure as five rounds may find it."""
    return estimated([mean * exp(chance.gauss(0, spread)) for _ in range(rounds)])


def estimated(rounds: Sequence[float]) -> Estimate:
    """Rounds, and the interval of their mean."""
    half = T_OF_FIVE * stdev(rounds) / sqrt(len(rounds))
    return Estimate(mean=fmean(rounds), low=fmean(rounds) - half, high=fmean(rounds) + half, rounds=tuple(rounds))


def together(found: tuple[Part, ...], *kinds: str) -> Estimate:
    """What parts cost in all, round by round."""
    rounds = [sum(costs) for costs in zip(*(part.cpu.rounds for part in found if part.kind in kinds), strict=True)]
    return estimated(rounds)


def at(share: float, median: float) -> float:
    """The latency that a share of actions keeps, where few are very slow."""
    deviation = NormalDist().inv_cdf(min(max(share, 0.0001), 0.99999))
    return median * exp(0.32 * deviation + 0.10 * max(deviation, 0.0) ** 2)


def quantiles(median: float) -> Quantiles:
    """All of them."""
    shares = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 0.9999}
    return {name: at(share, median) for name, share in shares.items()}


def latency(action: str, median: float, count: int, chance: random.Random) -> ActionLatency:
    """One action."""
    shares = [index / 100 for index in range(1, 100)] + [1 - 0.01 / 1.25**index for index in range(1, 25)]
    return ActionLatency(
        action=action, count=count, failed=2 if action == "checkout" else 0,
        quantiles={name: estimate(value, chance, 0.06) for name, value in quantiles(median).items()},
        curve=tuple((share, at(share, median)) for share in shares),
        errors={"503 at /cart/checkout": 1, "no response within 10 s": 1} if action == "checkout" else {},
    )


def parts(name: str, cpu: float, chance: random.Random) -> tuple[Part, ...]:
    """Services, what stands before them, and what stands behind."""
    services = SERVICES[name]
    many = len(services) > 1
    each = cpu * (0.82 if many else 1.0) / len(services)
    found = [
        Part(name=one, kind="service", processes=1, cpu=estimate(each, chance), memory=71_000_000, connections=4)
        for one in services
    ]
    if many:
        gateway = estimate(cpu * 0.18, chance)
        found.append(Part(name="envoy", kind="gateway", processes=1, cpu=gateway, memory=38_000_000))
    database = Part(
        name="postgresql", kind="database", processes=8 + 4 * len(services), cpu=estimate(database_of(name), chance),
        memory=96_000_000 + 9_000_000 * len(services), connections=4 * len(services),
    )
    provider = Part(name="provider", kind="companion", processes=1, cpu=estimate(0.00008, chance), memory=41_000_000)
    return (*found, database, provider)


def database_of(name: str) -> float:
    """Seconds of PostgreSQL for a request."""
    return 0.00071 + 0.00004 * len(SERVICES[name])


def steady(name: str, chance: random.Random) -> Steady:
    """At 60 actions a second."""
    cpu, median = (value / 1000 for value in COST[name])
    found = parts(name, cpu, chance)
    slower = {
        "all": 1.0, "product": 0.95, "view_cart": 1.05, "currency": 0.4, "add_to_cart": 1.2, "index": 1.5,
        "checkout": 4.0,
    }
    return Steady(
        rate=60.0, done=estimate(59.8, chance, 0.005), requests=1.05,
        latency=tuple(
            latency(action, median * times, int(3000 * MIX.get(action, 19.0) / 19), chance)
            for action, times in slower.items()
        ),
        parts=found, cpu=together(found, "service", "gateway"), cpu_database=together(found, "database"),
        received=15_830.0, sent=412.0, lag=0.0009,
    )


def steps(most: float, median: float) -> tuple[Step, ...]:
    """Rising until the objective is lost, then by halves."""
    shares = (0.25, 0.4, 0.55, 0.7, 0.8, 0.88, 0.94, 0.97, 1.0, 1.04, 1.1, 1.25)
    found = []
    for share in shares:
        slower = median / max(1 - 0.93 * min(share, 1.05), 0.02) ** 0.75
        done = min(share, 1.03) * most
        failed = max(0.0, (share - 1.05) * 0.8)
        found.append(Step(
            rate=share * most, done=done, latency=quantiles(slower), failed=failed, kept=share <= 1.0,
        ))
    return tuple(found)


def capacity(name: str, chance: random.Random) -> Capacity:
    """As much as two cores give."""
    cpu, median = (value / 1000 for value in COST[name])
    most = 1.6 / (cpu + database_of(name))
    return Capacity(rate=estimate(most, chance, 0.03), steps=steps(most, median), cores=1.62)


def home(name: str) -> dict[str, str]:
    """The service of each module."""
    return {module: service for service, modules in SERVICES[name].items() for module in modules}


def profile(name: str) -> Profile:
    """What one action makes happen inside."""
    where = home(name)
    edges = []
    for (asking, asked), calls in CALLS.items():
        remote = where[asking] != where[asked]
        size = 640.0 if remote else 0.0
        methods = {f"{asking} -> {asked}.get": calls * 0.8, f"{asking} -> {asked}.find": calls * 0.2}
        edges.append(Edge(asking=asking, asked=asked, calls=calls, remote=remote, size=size, methods=methods))
    edges.sort(key=lambda edge: edge.calls + 1000 * edge.remote, reverse=True)
    calls, crossing = sum(CALLS.values()), sum(one.calls for one in edges if one.remote)
    alone = {"index": 1.1, "product": 1.0, "currency": 0.4, "add_to_cart": 0.8, "view_cart": 1.2, "checkout": 2.6}
    actions = [cost_of(action, calls * times, crossing * times) for action, times in alone.items()]
    return Profile(actions=tuple(actions), mix=cost_of("all", calls, crossing), edges=tuple(edges))


def cost_of(action: str, calls: float, remote: float) -> ActionCost:
    """Checkouts write most."""
    commits = {"checkout": 9.0, "add_to_cart": 1.0, "all": 0.58}.get(action, 0.0)
    return ActionCost(
        action=action, calls=calls, remote=remote, commits=commits, statements=1.1 * calls + 3 * commits,
        events=commits / 3, size=640.0 * remote,
    )


def isolation(name: str) -> Isolation:
    """Each service in turn; of a program beside nobody knows modules, so names of its services stand for them."""
    blows = []
    for service, modules in SERVICES[name].items():
        hit = set(modules or (MODULES if len(SERVICES[name]) == 1 else (service,)))
        for kind in KINDS:
            lost = 0.62 if kind == "slowed" else 0.02
            survived = {action: lost if NEEDS[action] & hit else 1.0 for action in MIX}
            whole = sum(MIX[action] * share for action, share in survived.items()) / sum(MIX.values())
            after = {"killed": 2.1 + 0.1 * len(hit), "slowed": 0.3, "failing": 0.6}[kind]
            blows.append(Blow(
                service=service, modules=modules, kind=kind, survived={"all": whole, **survived}, healthy_after=after,
            ))
    return Isolation(rate=20.0, seconds=5.0, blows=tuple(blows))


def scaling(name: str, chance: random.Random) -> tuple[Scaled, ...]:
    """More cores, and more processes."""
    most = 1.6 / (COST[name][0] / 1000 + database_of(name))
    processes = len(SERVICES[name])
    kinds = [("1 core", processes, 1, 0.52), ("2 cores", processes, 2, 1.0)]
    if name == "microservices":
        kinds.append(("recommendations doubled", processes + 1, 2, 1.01))
    if home(name):
        kinds.append(("everything doubled", 2 * processes, 2, 1.12 if processes == 1 else 0.96))
    found = []
    for what, count, cores, times in kinds:
        rate = estimate(most * times, chance)
        found.append(Scaled(what=what, processes=count, cores=cores, capacity=rate, per_core=rate.mean / cores))
    return tuple(found)


def overload(name: str) -> Overload:
    """Three times what it can do, and back."""
    cpu, median = (value / 1000 for value in COST[name])
    most = 1.6 / (cpu + database_of(name))
    course = []
    for second in range(60):
        strained = 15 <= second < 35
        asked = most * (3.0 if strained else 0.6)
        done = most * (0.86 if strained else 0.6)
        backlog = 0.8 * exp((35 - second) / 1.5) if second >= 35 else 0.0
        slow = 1.9 if strained else at(0.95, median) + backlog
        course.append((float(second), asked, done, slow))
    return Overload(
        capacity=most, times=3.0, seconds=20.0, before=quantiles(median), during=quantiles(0.9), done=0.29,
        recovered_after=4.0, course=tuple(course),
    )


def complexity(name: str) -> Complexity:
    """More of everything."""
    count = len(SERVICES[name])
    return Complexity(
        services=count, processes=count + 1, databases=count, connections=4 * count, links=len(links(name)),
        settings=6 + 4 * count, lines=2 if count == 1 else 5, generated=9 if count == 1 else 60 + 38 * count,
        failures=tuple(f"{service} is down: checkout fails" for service in SERVICES[name]),
    )


def links(name: str) -> set[tuple[str, str]]:
    """Pairs of services that talk."""
    where = home(name)
    pairs = {(where.get(asking, asking), where.get(asked, asked)) for asking, asked in CALLS}
    return {pair for pair in pairs if pair[0] != pair[1]} if len(SERVICES[name]) > 1 else set()


ADVICE = (
    Advice(
        kind="n+1", method="recommendations.similar", statement="SELECT name, price FROM products WHERE sku = $1",
        count=8.0, seconds=0.0004,
        text="The same statement runs 8 times in one run of recommendations.similar: ask for all rows at once.",
    ),
    Advice(
        kind="index", method="orders.of_customer", statement="SELECT id, total FROM orders WHERE customer = $1",
        count=1.0, seconds=0.0031, text="It reads all 20,000 rows of orders: add an index on (customer).",
    ),
)


def side(name: str) -> Side:
    """One side, with all that can be found."""
    chance = random.Random(name)
    ours = bool(home(name))
    count = len(SERVICES[name])
    return Side(
        name=name, what=WHAT[name], ours=ours, services=SERVICES[name], start=1.1 + 0.35 * count,
        memory_idle=150_000_000 + 74_000_000 * count, steady=steady(name, chance), capacity=capacity(name, chance),
        profile=profile(name) if ours else None, advice=ADVICE if ours else (), isolation=isolation(name),
        scaling=scaling(name, chance), overload=overload(name), complexity=complexity(name),
    )

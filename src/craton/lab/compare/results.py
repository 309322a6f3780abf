"""What a comparison found, as values: the report, the table in the terminal and `--json` are made of these alone.

Times are in seconds, sizes in bytes, rates in actions (or requests) per second, shares between 0 and 1. An *action* is
one thing that a visitor of the scenario does; it makes one HTTP request or a few. A *side* is what is compared: a
topology of the application, or a program beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was found."""


class Estimate(Record, frozen=True, kw_only=True):
    """A figure measured in several rounds: its mean, and the interval that holds the true mean with 95 % confidence
    (Student's t over the rounds). With a single round the interval is the figure itself."""

    mean: float
    low: float
    high: float
    rounds: tuple[float, ...]


class Machine(Record, frozen=True, kw_only=True):
    """What it ran on."""

    system: str  # "Linux 6.1 x86_64"
    processor: str
    cores: int
    memory: int
    python: str
    versions: Mapping[str, str]  # of craton, postgresql, uvloop, ...


class Method(Record, frozen=True, kw_only=True):
    """How it was measured: enough for someone else to do the same."""

    scenario: str
    mix: Mapping[str, float]  # weight of each action
    rate: float  # actions a second, the same for all sides
    rounds: int
    warmup: float
    seconds: float  # of each measured round
    objective: float  # the latency that `percentile` of the actions must keep, where throughput is sought
    percentile: float  # 0.95
    seed: int
    arrivals: str = ""  # "Poisson, open loop; latency counted from the time when the action was due"
    traffic: str = ""  # of steady rounds, in words: "20 actions a second"
    database: str = ""  # "PostgreSQL 15.9, a server for each side, fsync=on, synchronous_commit=on"
    gateway: str = ""
    tls: bool = False
    command: str = ""  # which repeats it
    notes: tuple[str, ...] = ()  # what a reader has to know, such as cores shared with the load generator


Quantiles = Mapping[str, float]
"""Latency at "p50", "p90", "p95", "p99", "p99.9", "max"."""


class ActionLatency(Record, frozen=True, kw_only=True):
    """How one action did over all rounds of one side; "all" stands for all actions together."""

    action: str
    count: int
    failed: int
    quantiles: Mapping[str, Estimate]  # the keys of Quantiles
    curve: tuple[tuple[float, float], ...]  # of all rounds together: (share of actions, latency), rising
    errors: Mapping[str, int] = {}  # what went wrong, and how often: "503 at /cart", "no response within 10 s"


class Part(Record, frozen=True, kw_only=True):
    """What one part of a side costs: a service, the gateway, the database, the workers, a companion."""

    name: str
    kind: Literal["service", "gateway", "database", "worker", "companion"]
    processes: int
    cpu: Estimate  # processor seconds per request, all its processes together
    memory: int  # proportional set size of all its processes after the rounds
    connections: int = 0  # to the database, that it held after the rounds


class Steady(Record, frozen=True, kw_only=True):
    """Every side at the same rate."""

    rate: float  # actions a second that were asked for; their mean, where visitors or the time decided
    done: Estimate  # actions a second that were done
    requests: float  # HTTP requests per action
    latency: tuple[ActionLatency, ...]  # "all" first
    parts: tuple[Part, ...]
    cpu: Estimate  # processor seconds per request: services, gateway and workers
    cpu_database: Estimate
    received: float  # bytes per request that the visitor got, heads included
    sent: float
    lag: float  # how late the generator itself was at its 99th percentile; figures near to it mean nothing
    overloaded: bool = False  # more was asked for than it could do: its latency is that of a growing queue
    course: tuple[tuple[float, float, float, float], ...] = ()  # where the rate rose: see `Overload`


class Step(Record, frozen=True, kw_only=True):
    """One rate that was tried while throughput was sought."""

    rate: float
    done: float
    latency: Quantiles
    failed: float  # share
    kept: bool  # whether the objective was kept


class Capacity(Record, frozen=True, kw_only=True):
    """The highest rate at which the objective was kept."""

    rate: Estimate
    steps: tuple[Step, ...]  # of all rounds, by rate
    cores: float  # processors busy at that rate, database included


class Edge(Record, frozen=True, kw_only=True):
    """One module asks another."""

    asking: str  # "orders"
    asked: str  # "payments"
    calls: float  # per action of the mix
    remote: bool
    size: float  # bytes of arguments and results, per call; 0 where it is not remote
    methods: Mapping[str, float]  # "storefront -> catalog.product": calls per action


class ActionCost(Record, frozen=True, kw_only=True):
    """What one action makes the structure do: observed while nothing else happened."""

    action: str
    calls: float  # from module to module
    remote: float  # of those, from service to service
    commits: float  # transactions that wrote
    statements: float
    events: float  # published
    size: float  # bytes between services


class Profile(Record, frozen=True, kw_only=True):
    """What happens inside for one action of each kind."""

    actions: tuple[ActionCost, ...]
    mix: ActionCost  # by the weights of the scenario; its name is "all"
    edges: tuple[Edge, ...]  # the chattiest first


class Advice(Record, frozen=True, kw_only=True):
    """Something about the database that costs time, and the method that causes it."""

    kind: Literal["slow", "n+1", "index", "pool"]
    method: str  # "catalog.products"; "" where nobody knows
    statement: str
    count: float  # how often per run of the method, or in all, as `text` says
    seconds: float  # of each
    text: str  # in words, with what to do


class Blow(Record, frozen=True, kw_only=True):
    """What became of visitors while one service was in trouble."""

    service: str
    modules: tuple[str, ...]
    kind: Literal["killed", "slowed", "failing"]
    survived: Mapping[str, float]  # share of each action that was still done within the time limit; "all" too
    healthy_after: float | None  # seconds from the end of the trouble (for "killed": from the kill) until every action
    #                              was done again; None: it was not, within the time that was waited


class Isolation(Record, frozen=True, kw_only=True):
    """Each service in turn."""

    rate: float
    seconds: float  # how long each trouble lasted
    blows: tuple[Blow, ...]
    limit: float = 2.0  # within which an action must be done to have survived


class Scaled(Record, frozen=True, kw_only=True):
    """The highest rate of a side that has more of something."""

    what: str  # "1 core", "2 cores", "recommendations doubled", "everything doubled"
    processes: int
    cores: int  # that its processes may use
    capacity: Estimate
    per_core: float


class Overload(Record, frozen=True, kw_only=True):
    """More than it can do, for a while, and back."""

    capacity: float
    times: float  # 3.0
    seconds: float
    before: Quantiles
    during: Quantiles  # of those that were done
    done: float  # share that was done while it lasted
    recovered_after: float | None  # seconds after it ended until latency and failures were as before; None: never seen
    course: tuple[tuple[float, float, float, float], ...]  # each second: time, asked for, done, p95 latency


class Complexity(Record, frozen=True, kw_only=True):
    """What there is to run and to understand."""

    services: int
    processes: int
    databases: int
    connections: int  # to databases, as seen while it ran
    links: int  # pairs of services of which one calls the other
    settings: int  # environment variables that must be set, over all services
    lines: int  # of deployment files that people write: the topology, a gateway's configuration
    generated: int = 0  # lines of deployment files that the framework writes: the gateway's configuration
    failures: tuple[str, ...]  # ways to fail, in words: "catalog is down: home and product fail"


class Side(Record, frozen=True, kw_only=True):
    """All that was found about one side. What was not measured is None."""

    name: str
    what: str  # "10 services, 10 databases, Envoy", "FastAPI + SQLAlchemy, one process"
    ours: bool  # a topology of the application, not a program beside it
    services: Mapping[str, tuple[str, ...]]  # modules of each service
    start: float  # seconds until it answered, databases running and migrated
    memory_idle: int
    steady: Steady | None = None
    capacity: Capacity | None = None
    profile: Profile | None = None
    advice: tuple[Advice, ...] = ()
    isolation: Isolation | None = None
    scaling: tuple[Scaled, ...] = ()
    overload: Overload | None = None
    complexity: Complexity | None = None


class Ratio(Record, frozen=True, kw_only=True):
    """How many times more one side costs than the first one: by rounds, since what slows a machine slows all."""

    figure: str  # "cpu", "p50", "p99", "capacity", "memory"
    side: str
    against: str
    times: Estimate


class Verdict(Record, frozen=True, kw_only=True):
    """What it means, in plain words."""

    headline: str  # "Split nothing: ..."
    reasons: tuple[str, ...]
    against: tuple[str, ...]  # what speaks for the other choice: losing cases are told
    modules: Mapping[str, str]  # of each module that could stand alone: what that would bring, and cost
    others: tuple[str, ...] = ()  # how sides do that the headline does not speak of


class Comparison(Record, frozen=True, kw_only=True):
    """Everything."""

    application: str
    made: str  # ISO 8601
    machine: Machine
    method: Method
    sides: tuple[Side, ...]  # the first one is what others are compared with
    ratios: tuple[Ratio, ...]
    verdict: Verdict
    version: int = 1

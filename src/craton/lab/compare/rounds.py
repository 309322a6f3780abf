"""Every side at the same rate, in rounds: who goes first changes from round to round, and the others rest meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from craton.lab.compare.meter import Meter, Used, memory_of
from craton.lab.compare.results import ActionLatency, Part, Steady
from craton.lab.compare.stand import Stand
from craton.lab.compare.statistics import estimate
from craton.lab.load.figures import ALL, Load
from craton.lab.load.generator import Generator

COUNTED = ("service", "gateway", "worker")
"""The kinds of parts whose processor time is a side's own; databases and companions are told apart."""


IN_TIME = 0.9
"""The share of what is due in a round that is done by its end, where a side can do what is asked of it: with less, its
mean latency is a tenth of the round, and rises for as long as it lasts."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Who comes in a round, for so many seconds after a warm-up: `rate` actions a second, rising evenly to `until`
    where that is said (open loop); or so many `visitors`, who think in between as the scenario says (closed loop)."""

    rate: float
    seconds: float = 10.0
    warmup: float = 3.0
    until: float | None = None
    visitors: int | None = None

    @property
    def even(self) -> bool:
        """Whether as many come all the time, whatever becomes of them."""
        return self.until is None and self.visitors is None

    @property
    def told(self) -> str:
        """In words."""
        if self.visitors is not None:
            return f"{self.visitors} visitors"
        rising = "" if self.until is None else f" to {self.until:g}"
        return f"{self.rate:g}{rising} actions a second"

    async def come(self, generator: Generator, *, seed: int) -> Load:
        """What becomes of them."""
        if self.visitors is not None:
            return await generator.closed(visitors=self.visitors, seconds=self.seconds, seed=seed)
        if self.until is None:
            return await generator.open(rate=self.rate, seconds=self.seconds, seed=seed)
        [load] = await generator.ramp(low=self.rate, high=self.until, seconds=self.seconds, seed=seed)
        return load

    async def warm_up(self, generator: Generator, *, seed: int) -> None:
        """The same, or its beginning, as a load of its own whose processor time does not count."""
        if self.warmup:
            await replace(self, seconds=self.warmup, until=None).come(generator, seed=seed + 1_000_000)


@dataclass(frozen=True)
class Round:
    """What one round found of one side."""

    load: Load
    used: Sequence[Used]

    def cpu(self, *kinds: str) -> float:
        """Processor seconds of parts of these kinds, for each request."""
        return sum(part.seconds for part in self.used if part.kind in kinds) / max(1, self.load.requests)

    def of(self, name: str) -> float:
        """The same of one part."""
        return sum(part.seconds for part in self.used if part.name == name) / max(1, self.load.requests)


@dataclass
class Rounds:
    """All rounds of one side."""

    stand: Stand
    found: list[Round] = field(default_factory=list)

    async def measure(self, generator: Generator, traffic: Traffic, *, seed: int) -> Round:
        """One more round."""
        await traffic.warm_up(generator, seed=seed)
        async with Meter(self.stand) as meter:
            load = await traffic.come(generator, seed=seed)
        self.found.append(Round(load, meter.used))
        return self.found[-1]

    def figures(self, name: str) -> list[float]:
        """One figure of each round: "cpu", "cpu_database", or a quantile of the latency of all actions."""
        if name == "cpu":
            return [each.cpu(*COUNTED) for each in self.found]
        if name == "cpu_database":
            return [each.cpu("database") for each in self.found]
        return [each.load.quantiles()[name] for each in self.found]

    async def steady(self, traffic: Traffic) -> Steady:
        """What they say together."""
        whole = self.found[0].load.merge(*(each.load for each in self.found[1:]))
        count, actions = max(1, whole.requests), whole.done() + whole.failed()
        return Steady(
            rate=traffic.rate if traffic.even else whole.rate,
            done=estimate([each.load.throughput for each in self.found]),
            requests=whole.requests / max(1, actions), cpu=estimate(self.figures("cpu")),
            latency=tuple(self.latency(action, whole) for action in (ALL, *whole.actions)),
            parts=self.parts(memory_of(self.stand), await self.stand.connections()),
            cpu_database=estimate(self.figures("cpu_database")), received=whole.received / count,
            sent=whole.sent / count, lag=whole.lag,
            overloaded=traffic.even and whole.finished < IN_TIME * whole.due,
            course=rising([each.load for each in self.found]) if traffic.until else (),
        )

    def latency(self, action: str, whole: Load) -> ActionLatency:
        """How one action did."""
        rounds = [each.load.quantiles(action) for each in self.found if each.load.done(action)]
        names = rounds[0] if rounds else {}
        return ActionLatency(
            action=action, count=whole.done(action) + whole.failed(action), failed=whole.failed(action),
            quantiles={name: estimate([each[name] for each in rounds]) for name in names},
            curve=whole.curve(action), errors=whole.errors(action),
        )

    def parts(self, memory: Mapping[str, int], connections: Mapping[str, int]) -> tuple[Part, ...]:
        """What each part cost."""
        return tuple(
            Part(
                name=part.name, kind=part.kind, processes=part.processes, memory=memory.get(part.name, 0),
                cpu=estimate([each.of(part.name) for each in self.found]), connections=connections.get(part.name, 0),
            )
            for part in self.found[-1].used
        )


def rising(loads: Sequence[Load]) -> tuple[tuple[float, float, float, float], ...]:
    """Each second of a round, as the mean of all rounds: time, actions asked for, done, 95th percentile of latency."""
    seconds = zip(*(load.course for load in loads), strict=False)
    return tuple(
        (some[0].time, fmean(one.due for one in some), fmean(one.done for one in some), fmean(one.p95 for one in some))
        for some in seconds
    )

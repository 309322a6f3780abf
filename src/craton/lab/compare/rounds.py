"""Every side at the same rate, in rounds: who goes first changes from round to round, and the others rest meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from craton.lab.compare.meter import Meter, Used, memory_of
from craton.lab.compare.results import ActionLatency, Part, Steady
from craton.lab.compare.stand import Stand
from craton.lab.compare.statistics import estimate
from craton.lab.load.figures import ALL, Load
from craton.lab.load.generator import Generator

COUNTED = ("service", "gateway", "worker")
"""The kinds of parts whose processor time is a side's own; databases and companions are told apart."""


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

    async def measure(self, generator: Generator, *, rate: float, seconds: float, warmup: float, seed: int) -> Round:
        """One more round. The warm-up is a load of its own, so that its processor time does not count."""
        if warmup:
            await generator.open(rate=rate, seconds=warmup, seed=seed + 1_000_000)
        async with Meter(self.stand) as meter:
            load = await generator.open(rate=rate, seconds=seconds, seed=seed)
        self.found.append(Round(load, meter.used))
        return self.found[-1]

    def figures(self, name: str) -> list[float]:
        """One figure of each round: "cpu", "cpu_database", or a quantile of the latency of all actions."""
        if name == "cpu":
            return [each.cpu(*COUNTED) for each in self.found]
        if name == "cpu_database":
            return [each.cpu("database") for each in self.found]
        return [each.load.quantiles()[name] for each in self.found]

    async def steady(self, rate: float) -> Steady:
        """What they say together."""
        whole = self.found[0].load.merge(*(each.load for each in self.found[1:]))
        count, actions = max(1, whole.requests), whole.done() + whole.failed()
        return Steady(
            rate=rate, done=estimate([each.load.throughput for each in self.found]),
            requests=whole.requests / max(1, actions), cpu=estimate(self.figures("cpu")),
            latency=tuple(self.latency(action, whole) for action in (ALL, *whole.actions)),
            parts=self.parts(memory_of(self.stand), await self.stand.connections()),
            cpu_database=estimate(self.figures("cpu_database")), received=whole.received / count,
            sent=whole.sent / count, lag=whole.lag,
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

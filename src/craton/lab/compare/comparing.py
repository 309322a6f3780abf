"""A comparison, from bringing all sides up to what it means: phase by phase, each side alone while it is measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from craton.lab.compare.answers import compare_answers
from craton.lab.compare.complexity import complexity
from craton.lab.compare.isolation import Enter
from craton.lab.compare.machine import cores, machine
from craton.lab.compare.meter import memory_of
from craton.lab.compare.phases import PHASE, expected
from craton.lab.compare.progress import Progress
from craton.lab.compare.ratios import ratios
from craton.lab.compare.resting import alone
from craton.lab.compare.results import Comparison, Method, Side
from craton.lab.compare.rounds import Rounds
from craton.lab.compare.stand import OpenStand, Stand
from craton.lab.compare.standing import Standing
from craton.lab.compare.verdict import verdict
from craton.lab.compare.wanted import SURE, Wanted
from craton.lab.load.generator import Generator
from craton.lab.load.visitor import visit
from craton.run.supervisor import first_of

LATE = 0.25
"""The share of the median latency from which on the generator's own lateness is told."""


@dataclass
class Compared:
    """One side while it is compared, and what has been found of it."""

    stand: Stand
    generator: Generator
    rounds: Rounds
    side: Side

    def found(self, **what: object) -> None:
        """Something has been found."""
        self.side = msgspec.structs.replace(self.side, **what)


@dataclass
class Comparing:
    """One comparison. `stopped`: somebody stopped it before its end."""

    wanted: Wanted
    progress: Progress = field(default_factory=Progress)
    sides: list[Compared] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stopped: bool = False

    async def run(self) -> Comparison:
        """Everything; who cancels it once it measures gets what was found until then. CratonError where a side does
        not start, or two do not answer the same."""
        for kind, (count, seconds) in expected(self.wanted).items():
            self.progress.plan(kind, count, seconds)
        async with AsyncExitStack() as stack:
            for name, opening in self.wanted.sides():
                async with self.progress.step("start", name):
                    self.sides.append(await self.bring_up(opening, stack))
            await self.check_answers()
            try:
                await self.measure()
            except asyncio.CancelledError:
                self.stop()
            return self.comparison()

    async def measure(self) -> None:
        """All phases."""
        for phase in self.wanted.phases:
            await PHASE[phase](self)
        for each in self.sides:
            async with self.attended("complexity", "what there is to run", each.stand):
                each.found(complexity=await complexity(each.stand, isolation=each.side.isolation))

    def stop(self) -> None:
        """Go on to what was found until now. Who stops it again gets nothing."""
        if task := asyncio.current_task():
            task.uncancel()
        self.stopped = True
        self.notes.append("Stopped before its end: what is missing was not measured.")
        self.progress.say("stopped: what was found until now is told as soon as all sides are down")

    async def bring_up(self, opening: OpenStand, stack: AsyncExitStack) -> Compared:
        """One side, up, with its visitors ready."""
        stand = await stack.enter_async_context(opening())
        generator = await stack.enter_async_context(self.generator(stand))
        parts = {part.name: part.kind for part in stand.parts()}
        idle = sum(size for name, size in memory_of(stand).items() if parts.get(name) != "companion")
        side = Side(
            name=stand.name, what=stand.what, ours=stand.ours, services=stand.services, start=stand.started,
            memory_idle=idle,
        )
        return Compared(stand, generator, Rounds(stand), side)

    async def check_answers(self) -> None:
        """Refuse sides that do not do the same, or cannot do what the scenario says."""
        if self.wanted.different:
            self.notes.append("Nobody has looked whether the sides answer the same: --different.")
            return
        async with self.progress.step("answers", "one visitor goes through the scenario on each side"):
            stands = [each.stand for each in self.sides]
            await compare_answers(stands, self.wanted.scenario, authority=self.wanted.authority)

    def generator(self, stand: Stand) -> Generator:
        """Visitors of a side, in a process of their own."""
        return Generator(self.wanted.place, stand.url, authority=self.wanted.authority)

    def enter(self, stand: Stand) -> Enter:
        """Lets visitors in whom this process plays itself."""
        return lambda seed: visit(stand.url, seed=seed, authority=self.wanted.authority)

    @asynccontextmanager
    async def attended(self, kind: str, what: str, stand: Stand) -> AsyncIterator[None]:
        """One step of one side, which is alone meanwhile. Where it fails that is noted, and the others go on."""
        async with self.progress.step(kind, f"{stand.name}: {what}"), self.noting(f"{kind} of {stand.name}"):
            async with alone(stand, self.stands()):
                yield

    @asynccontextmanager
    async def noting(self, what: str) -> AsyncIterator[None]:
        """Note what fails, and go on."""
        try:
            yield
        except Exception as error:
            cause = first_of(error) if isinstance(error, ExceptionGroup) else error
            self.notes.append(f"The phase {what} failed: {type(cause).__name__}: {cause}")
            self.progress.say(self.notes[-1])

    def stands(self) -> Sequence[Stand]:
        """All sides that run."""
        return [each.stand for each in self.sides]

    def comparison(self) -> Comparison:
        """All that was found, and what it means."""
        sides = tuple(each.side for each in self.sides)
        found = ratios({each.side.name: each for each in self.sides if each.rounds.found}, sides)
        return Comparison(
            application=self.wanted.package, made=datetime.now(UTC).isoformat(timespec="seconds"), machine=machine(),
            method=self.method(), sides=sides, ratios=found, verdict=verdict(sides, found),
        )

    def method(self) -> Method:
        """How it was measured."""
        wanted, stand = self.wanted, self.sides[0].stand
        return Method(
            scenario=wanted.scenario.name, rate=wanted.rate, rounds=wanted.rounds, warmup=wanted.warmup,
            arrivals=CLOSED if wanted.visitors else OPEN, traffic=wanted.traffic.told,
            mix={action.__name__: weight for action, weight in wanted.scenario.mix.items()}, seconds=wanted.seconds,
            objective=wanted.objective, percentile=float(wanted.percentile[1:]) / 100, seed=wanted.seed,
            gateway=GATEWAYS[wanted.gateway],
            database=stand.server.about if isinstance(stand, Standing) else "", command=wanted.command,
            tls=bool(wanted.tls), notes=tuple(self.remarks()),
        )

    def remarks(self) -> list[str]:
        """What a reader has to know."""
        found = [
            f"The load generator and the databases ran on the same {len(cores())} cores, the generator in a process of "
            "its own that is not counted. Where cores are few, processor time is surer than latency.",
            "All load comes from one address, so the limits of the edge are lifted on all sides.",
        ]
        if self.wanted.rounds < SURE:
            found.append(f"Fewer than {SURE} rounds: a look, not a measurement.")
        return [*found, *filter(None, map(late, self.sides)), *self.notes]


OPEN = "Poisson, open loop; latency counted from the time when the action was due"
CLOSED = "Closed loop: a fixed number of visitors, who ask for less where a side is slower"
GATEWAYS = {"envoy": "Envoy", "craton": "Craton's own"}


def late(each: Compared) -> str:
    """What there is to say where the generator was late itself."""
    steady = each.side.steady
    median = steady.latency[0].quantiles.get("p50") if steady else None
    if steady is None or median is None or steady.lag <= LATE * median.mean:
        return ""
    return (
        f"{each.side.name}: the load generator itself was late by {steady.lag * 1e3:.1f} ms at its 99th percentile; "
        f"latencies near to that mean nothing (the median was {median.mean * 1e3:.1f} ms)."
    )

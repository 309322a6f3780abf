"""What is measured, phase by phase, of all sides of a comparison."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from craton.lab.compare.advice import advise
from craton.lab.compare.capacity import Climb, Found, Search, capacity
from craton.lab.compare.isolation import Blows, Striking
from craton.lab.compare.machine import cores
from craton.lab.compare.meter import Meter
from craton.lab.compare.overload import Flood, overload
from craton.lab.compare.profile import profile
from craton.lab.compare.resting import alone
from craton.lab.compare.results import Estimate, Side
from craton.lab.compare.scaling import Opening, Seek, by_cores, by_processes
from craton.lab.compare.stand import Stand
from craton.lab.compare.stand_craton import craton_stand
from craton.lab.compare.standing import Standing
from craton.lab.compare.statistics import estimate
from craton.lab.compare.wanted import Phase, Wanted
from craton.lab.load.generator import Generator
from craton.lab.recording.figures import recorded
from craton.run.loading import load_application

if TYPE_CHECKING:
    from craton.lab.compare.comparing import Compared, Comparing

SEARCHES = 3
"""How often the highest rate is sought at most: each search takes many steps."""
BELOW = 0.7
"""Where a later search begins, as a share of what an earlier one found."""
TAKES = 75.0
"""Seconds of such a search, about."""
RECOVERS = 8.0
"""Seconds from a service's trouble until the next one's, about."""
BESIDE = 5
"""Services that a program beside has, about: each can only be killed."""
OBSERVED = 5.0
"""Seconds for which visitors come where the database is observed: waits are seen under load alone."""


async def start(comparing: Comparing) -> None:
    """How long it took, and what memory: that is known already."""


async def steady(comparing: Comparing) -> None:
    """All sides at the same rate, in turn: another one is first in each round."""
    wanted, sides = comparing.wanted, comparing.sides
    try:
        for number in range(wanted.rounds):
            for each in in_turn(sides, number):
                what = f"round {number + 1} of {wanted.rounds}, {wanted.traffic.told}"
                async with comparing.attended("steady", what, each.stand):
                    await each.rounds.measure(each.generator, wanted.traffic, seed=wanted.seed * 1000 + number)
    except asyncio.CancelledError:
        level(sides)
        raise
    finally:
        for each in sides:
            if each.rounds.found:
                async with comparing.noting(f"steady of {each.side.name}"):
                    each.found(steady=await each.rounds.steady(wanted.traffic))


def level(sides: Sequence[Compared]) -> None:
    """Forget the rounds that not every side has had."""
    least = min(len(each.rounds.found) for each in sides)
    for each in sides:
        del each.rounds.found[least:]


def in_turn(sides: Sequence[Compared], number: int) -> Sequence[Compared]:
    """All sides, another one first in each round: what slows the machine for a while does not strike the same one."""
    turn = number % len(sides)
    return *sides[turn:], *sides[:turn]


async def profiles(comparing: Comparing) -> None:
    """What each action makes a topology do: it is brought up a second time, and observed."""
    for each in comparing.sides:
        if each.side.ours:
            kind, what = "profile", f"{each.side.name}: what each action makes it do"
            async with comparing.progress.step(kind, what), comparing.noting(f"profile of {each.side.name}"):
                await profiled(comparing, each)


async def profiled(comparing: Comparing, each: Compared) -> None:
    """One topology, and what there is to say of its database."""
    with tempfile.TemporaryDirectory(prefix="craton-") as folder:
        file = Path(folder) / "recorded"
        file.touch()
        setup = replace(comparing.wanted.setup, record=str(file))
        async with craton_stand(setup, each.side.name) as stand, alone(stand, [stand, *comparing.stands()]):
            each.found(profile=await profile(comparing.enter(stand), comparing.wanted.scenario, str(file)))
            async with comparing.generator(stand) as generator:
                await generator.open(rate=comparing.wanted.rate, seconds=OBSERVED, seed=comparing.wanted.seed)
            if isinstance(stand, Standing):
                each.found(advice=await advise(recorded(str(file)), stand.server.database("postgres")))


async def capacities(comparing: Comparing) -> None:
    """The highest rate at which each keeps the objective, in turn. A later search begins near what was found."""
    searches = min(comparing.wanted.rounds, SEARCHES)
    found: dict[str, list[Found]] = {each.side.name: [] for each in comparing.sides}
    try:
        for number in range(searches):
            for each in in_turn(comparing.sides, number):
                what, before = f"search {number + 1} of {searches} for the highest rate", found[each.side.name]
                async with comparing.attended("capacity", what, each.stand):
                    near = before[-1].rate if before else None
                    before.append(await sought(comparing, each.stand, each.generator, number=number, near=near))
    finally:
        for each in comparing.sides:
            if those := found[each.side.name]:
                each.found(capacity=capacity(those, estimate([one.rate for one in those])))


async def sought(
    comparing: Comparing, stand: Stand, generator: Generator, *, number: int = 0, near: float | None = None,
) -> Found:
    """One search. It begins below the rate that it is thought to be near to."""
    wanted, first = comparing.wanted, BELOW * near if near else comparing.wanted.rate
    search = Search(objective=wanted.objective, percentile=wanted.percentile, first=first, seed=wanted.seed + number)
    await generator.open(rate=search.first / 2, seconds=wanted.warmup, seed=search.seed)
    async with Meter(stand) as meter:
        return await Climb(generator, search, lambda: used(meter)).run()


def used(meter: Meter) -> float:
    """The processor seconds of a side by now, its database's too."""
    meter.look()
    return sum(part.seconds for part in meter.used if part.kind != "companion")


async def isolations(comparing: Comparing) -> None:
    """Each service in trouble; programs beside can only be killed."""
    wanted = comparing.wanted
    for each in comparing.sides:
        async with comparing.attended("isolation", "each service in trouble", each.stand):
            blows = Blows(rate=wanted.rate, seed=wanted.seed)
            blows = blows if each.side.ours else replace(blows, kinds=("killed",))
            enter = comparing.enter(each.stand)
            striking = Striking(each.stand, wanted.scenario, each.generator, enter, blows)
            each.found(isolation=await striking.run())


async def scaling(comparing: Comparing) -> None:
    """More processors, for each; then more processes, for the topology with most services."""
    for each in comparing.sides:
        seek = seeking(comparing, each.side)
        async with comparing.attended("scaling", "more processors", each.stand):
            each.found(scaling=await by_cores(each.stand, seek, cores()))
    split = [each for each in comparing.sides if each.side.ours and len(each.side.services) > 1]
    for each in sorted(split, key=lambda one: len(one.side.services))[-1:]:
        kind, what = "scaling", f"{each.side.name}: more processes"
        async with comparing.progress.step(kind, what), comparing.noting(f"scaling of {each.side.name}"):
            busy, seek = busiest(each.side), seeking(comparing, each.side)
            more = await by_processes(opening(comparing, each.side.name), seek, busy, cores=len(cores()))
            each.found(scaling=(*each.side.scaling, *more))


def seeking(comparing: Comparing, side: Side) -> Seek:
    """Seeks the highest rate of a side that has more or less of something, from what it can do as it is."""
    async def seek(stand: Stand) -> Estimate:
        near = side.capacity.rate.mean if side.capacity else None
        async with comparing.generator(stand) as generator:
            return estimate([(await sought(comparing, stand, generator, near=near)).rate])

    return seek


def opening(comparing: Comparing, topology: str) -> Opening:
    """Brings a topology up with more processes, while all other sides rest."""
    @asynccontextmanager
    async def opened(replicas: Mapping[str, int]) -> AsyncIterator[Stand]:
        setup = replace(comparing.wanted.setup, replicas=replicas)
        async with craton_stand(setup, topology) as stand, alone(stand, [stand, *comparing.stands()]):
            yield stand

    return opened


def busiest(side: Side) -> Sequence[str]:
    """The service that uses the processors most."""
    parts = [part for part in side.steady.parts if part.kind == "service"] if side.steady else []
    return [max(parts, key=lambda part: part.cpu.mean).name] if parts else list(side.services)[:1]


async def overloads(comparing: Comparing) -> None:
    """Three times what each can do, and back."""
    wanted = comparing.wanted
    for each in comparing.sides:
        if each.side.capacity is None or not each.side.capacity.rate.mean:
            comparing.notes.append(f"{each.side.name} was not overloaded: no rate was found that it can do (capacity).")
            continue
        async with comparing.attended("overload", "three times what it can do, and back", each.stand):
            flood = Flood(capacity=each.side.capacity.rate.mean, objective=wanted.objective, seed=wanted.seed)
            each.found(overload=await overload(each.generator, flood))


PHASE: Mapping[Phase, Callable[[Comparing], Awaitable[None]]] = {
    "start": start, "profile": profiles, "steady": steady, "capacity": capacities, "isolation": isolations,
    "scaling": scaling, "overload": overloads,
}


def expected(wanted: Wanted) -> Mapping[str, tuple[int, float]]:
    """How many steps each phase has, and about how many seconds each takes: for who waits."""
    ours, sides = len(wanted.topologies), len(wanted.topologies) + len(wanted.beside)
    resting = 1.5 * (sides > 1)
    all_phases: dict[str, tuple[int, float]] = {
        "profile": (ours, 25.0 + 4 * len(wanted.scenario.mix)),
        "steady": (wanted.rounds * sides, wanted.warmup + wanted.seconds + resting),
        "capacity": (min(wanted.rounds, SEARCHES) * sides, TAKES), "isolation": (sides, struck(wanted) / sides),
        "scaling": (sides + 1, TAKES * 2), "overload": (sides, 50.0),
    }
    chosen = {phase: steps for phase, steps in all_phases.items() if phase in set[str](wanted.phases)}
    return {"start": (sides, 10.0), "answers": (1, 3.0), **chosen}


def struck(wanted: Wanted) -> float:
    """Seconds that it takes to have each service in each kind of trouble, about."""
    blows, weights = Blows(rate=wanted.rate), wanted.scenario.mix.values()
    services = [service for name in wanted.topologies for service in load_application(wanted.package, name)[1].services]
    count = len(services) * len(blows.kinds) + BESIDE * len(wanted.beside)
    return count * (blows.lasting(weights) + RECOVERS)

"""`python -m bench.structures`: the store beside the same written by hand, each together and as services, in one run.

The sides stand at once, each with a durable PostgreSQL server of its own and Envoy in front; while one is measured the
others rest. Every round loads each side with the same arrivals, and a ratio is that of one round, since what slows a
machine slows all. CPU is that of services and gateway; the database's is told apart, and the payment provider's is not
counted. It is what `craton compare` measures, with the parts that it is made of; tests/baselines tests that the
sides do the same.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from apps.store.scenarios import shopping
from craton.lab.compare.resting import alone
from craton.lab.compare.results import Estimate
from craton.lab.compare.rounds import COUNTED, Round, Rounds, Traffic
from craton.lab.compare.stand import Setup, Stand
from craton.lab.compare.stand_beside import beside_stand
from craton.lab.compare.stand_craton import craton_stand
from craton.lab.compare.statistics import times
from craton.lab.load.generator import Generator

SCENARIO = "apps.store.scenarios:shopping"
BASELINES = Path(__file__).with_name("baselines")
SETUP = Setup(package="apps.store", settings=shopping.settings)
MONOLITH, SERVICES = "store monolith", "store microservices"
BESIDE_MONOLITH, BESIDE_SERVICES = "FastAPI monolith", "FastAPI microservices"
SIDES = (MONOLITH, SERVICES, BESIDE_MONOLITH, BESIDE_SERVICES)


@dataclass(frozen=True)
class Goal:
    """How many times less of something one side is to need than another."""

    what: str
    figure: str
    ours: str
    peer: str
    times: float


GOALS = (
    Goal("CPU per request", "cpu", SERVICES, BESIDE_SERVICES, 5),
    Goal("median latency", "p50", SERVICES, BESIDE_SERVICES, 3),
    Goal("CPU per request", "cpu", MONOLITH, BESIDE_SERVICES, 12),
    Goal("CPU per request", "cpu", MONOLITH, BESIDE_MONOLITH, 2),
)


@asynccontextmanager
async def standing(names: Sequence[str]) -> AsyncIterator[dict[str, Stand]]:
    """The sides, all of them up."""
    async with AsyncExitStack() as stack:
        sides: dict[str, Stand] = {}
        for name in names:
            own, _, structure = name.partition(" ")
            opened = (
                craton_stand(SETUP, structure) if own == "store"
                else beside_stand(SETUP, BASELINES / f"{structure}.toml")
            )
            sides[name] = await stack.enter_async_context(opened)
            print(f"{name}: {sides[name].what}; up after {sides[name].started:.1f} s", file=sys.stderr, flush=True)
        yield sides


async def compare(chosen: argparse.Namespace) -> dict[str, Rounds]:
    """All rounds; who goes first changes from round to round."""
    async with standing(chosen.sides) as sides, AsyncExitStack() as stack:
        generators = {n: await stack.enter_async_context(Generator(SCENARIO, s.url)) for n, s in sides.items()}
        rounds = {name: Rounds(stand) for name, stand in sides.items()}
        traffic = Traffic(rate=chosen.rate, seconds=chosen.seconds, warmup=chosen.warmup)
        for number in range(chosen.rounds):
            turn = number % len(chosen.sides)
            for name in (*chosen.sides[turn:], *chosen.sides[:turn]):
                async with alone(sides[name], list(sides.values())):
                    found = await rounds[name].measure(generators[name], traffic, seed=number)
                print(f"round {number + 1}, {name}: {told(found)}", file=sys.stderr, flush=True)
    return rounds


def told(found: Round) -> str:
    """What a round found, in one line."""
    load, quantiles = found.load, found.load.quantiles()
    latency = ", ".join(f"{name} {quantiles[name] * 1e3:.1f}" for name in ("p50", "p95", "p99"))
    failed = f"; failed {load.failed()}: {dict(load.errors())}" if load.failed() else ""
    gateway, database = found.cpu("gateway") * 1e3, found.cpu("database") * 1e3
    return (
        f"CPU {found.cpu(*COUNTED) * 1e3:.2f} ms a request (gateway {gateway:.2f}), database {database:.2f}; "
        f"{latency} ms; {load.throughput:.1f}/s, generator late {load.lag * 1e3:.1f} ms{failed}"
    )


def show_figures(rounds: dict[str, Rounds]) -> None:
    """The means of each side."""
    names = ("cpu", "gateway", "cpu_database", "p50", "p95", "p99")
    print(f"\n{'':22} {'CPU':>7} {'gateway':>8} {'database':>9} {'p50':>7} {'p95':>7} {'p99':>7} {'failed':>7}")
    for name, side in rounds.items():
        cells = [f"{mean_of(side, figure):{width}.2f}" for figure, width in zip(names, (7, 8, 9, 7, 7, 7), strict=True)]
        failed = fmean(each.load.share_failed() for each in side.found)
        print(f"{name:22} {' '.join(cells)} {failed:7.1%}")
    print("CPU, the gateway's in it, and the database's: milliseconds of processors a request. Latency: milliseconds.")


def mean_of(side: Rounds, figure: str) -> float:
    """The mean of a figure over all rounds, in milliseconds."""
    values = [each.cpu("gateway") for each in side.found] if figure == "gateway" else side.figures(figure)
    return fmean(values) * 1e3


def show_goals(rounds: dict[str, Rounds]) -> bool:
    """The goals, and whether all that could be looked at are reached."""
    print(f"\n{'':16} {'ours':19} {'against':21} {'times less':27} {'by rounds':>13} {'goal':>5}  database's CPU")
    reached = True
    for goal in GOALS:
        if goal.ours not in rounds or goal.peer not in rounds:
            continue
        found, database = ratio(rounds, goal, goal.figure), ratio(rounds, goal, "cpu_database")
        spread, verdict = f"{min(found.rounds):.2f} to {max(found.rounds):.2f}", "reached"
        if found.mean < goal.times:
            reached, verdict = False, "MISSED"
        print(
            f"{goal.what:16} {goal.ours:19} {goal.peer:21} {shown(found):27} {spread:>13} {goal.times:5g}  "
            f"{shown(database)}  {verdict}"
        )
    print("Times less: the mean of the rounds, and the interval that holds the true one with 95 % confidence.")
    return reached


def ratio(rounds: dict[str, Rounds], goal: Goal, figure: str) -> Estimate:
    """How many times more the peer needs."""
    return times(rounds[goal.peer].figures(figure), rounds[goal.ours].figures(figure))


def shown(found: Estimate) -> str:
    """A ratio with its interval."""
    return f"{found.mean:.2f} ({found.low:.2f} to {found.high:.2f})"


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.structures", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured (default 5)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each time (default 10)")
    parser.add_argument("--warmup", type=float, default=3.0, help="how long before, each time (default 3)")
    parser.add_argument("--rate", type=float, default=30.0, help="actions a second, the same for all (default 30)")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES, help="fewer sides (default: all)")
    return parser.parse_args()


def main() -> int:
    """Measure, and show what was found; 1 where a goal is missed."""
    chosen = arguments()
    rounds = asyncio.run(compare(chosen))
    show_figures(rounds)
    return 0 if show_goals(rounds) else 1


if __name__ == "__main__":
    sys.exit(main())

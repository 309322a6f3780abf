"""`python -m bench.structures`: the store beside the same written by hand, each together and as services, in one run.

The sides stand at once, each with a durable PostgreSQL server of its own and Envoy in front; while one is measured the
others rest. Every round loads each side with the same arrivals; a ratio is that of one round, since what slows a
machine slows all. CPU is that of services and gateway, the database's is told apart; the payment provider's is not
counted.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from statistics import fmean

from apps.store.scenarios import shopping
from craton.lab.compare.meter import Meter
from craton.lab.compare.resting import alone
from craton.lab.compare.stand import Setup, Stand
from craton.lab.compare.stand_beside import beside_stand
from craton.lab.compare.stand_craton import craton_stand
from craton.lab.load.generator import Generator

SCENARIO = "apps.store.scenarios:shopping"
BASELINES = Path(__file__).with_name("baselines")
SETUP = Setup(package="apps.store", settings=shopping.settings)
MONOLITH, SERVICES = "store monolith", "store microservices"
BESIDE_MONOLITH, BESIDE_SERVICES = "FastAPI monolith", "FastAPI microservices"
SIDES = (MONOLITH, SERVICES, BESIDE_MONOLITH, BESIDE_SERVICES)
COUNTED = ("service", "gateway", "worker")


@dataclass(frozen=True)
class Figures:
    """What a round found about one side. CPU is in milliseconds a request, latency in milliseconds an action."""

    cpu: float
    gateway: float  # what of that is the gateway's
    database: float
    p50: float
    p95: float
    p99: float
    done: float  # actions a second
    failed: float  # share
    lag: float  # by which the generator itself was late, 99th percentile


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
Rounds = dict[str, list[Figures]]


def ratios(rounds: Rounds, goal: Goal, figure: str) -> list[float]:
    """How many times more the peer needs, round by round."""
    pairs = zip(rounds[goal.peer], rounds[goal.ours], strict=True)
    return [getattr(peer, figure) / getattr(ours, figure) for peer, ours in pairs]


def typical(values: Sequence[float]) -> float:
    """The mean of ratios: on logarithms, so that a ratio and its inverse weigh the same."""
    return exp(fmean(log(value) for value in values))


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


async def measure(stand: Stand, generator: Generator, *, rate: float, seconds: float, seed: int) -> Figures:
    """One side, for some seconds, after a warm-up that is not counted."""
    await generator.open(rate=rate, seconds=max(2.0, seconds / 4), seed=seed + 1000)
    async with Meter(stand) as meter:
        load = await generator.open(rate=rate, seconds=seconds, seed=seed)
    used = {kind: sum(part.seconds for part in meter.used if part.kind == kind) for kind in (*COUNTED, "database")}
    each, quantiles = 1e3 / load.requests, load.quantiles()
    cpu, gateway, database = sum(used[kind] for kind in COUNTED) * each, used["gateway"] * each, used["database"] * each
    return Figures(
        cpu=cpu, gateway=gateway, database=database,
        p50=quantiles["p50"] * 1e3, p95=quantiles["p95"] * 1e3, p99=quantiles["p99"] * 1e3, done=load.throughput,
        failed=load.share_failed(), lag=load.lag * 1e3,
    )


async def compare(chosen: argparse.Namespace) -> Rounds:
    """All rounds; who goes first changes from round to round."""
    rounds: Rounds = {name: [] for name in chosen.sides}
    async with standing(chosen.sides) as sides, AsyncExitStack() as stack:
        generators = {n: await stack.enter_async_context(Generator(SCENARIO, s.url)) for n, s in sides.items()}
        for number in range(chosen.rounds):
            turn = number % len(chosen.sides)
            for name in (*chosen.sides[turn:], *chosen.sides[:turn]):
                async with alone(sides[name], list(sides.values())):
                    found = await measure(
                        sides[name], generators[name], rate=chosen.rate, seconds=chosen.seconds, seed=number
                    )
                rounds[name].append(found)
                print(f"round {number + 1}, {name}: {line(found)}", file=sys.stderr, flush=True)
    return rounds


def line(found: Figures) -> str:
    """What a round found, in one line."""
    return (
        f"CPU {found.cpu:.2f} ms a request (gateway {found.gateway:.2f}), database {found.database:.2f}; "
        f"p50 {found.p50:.1f}, p95 {found.p95:.1f}, p99 {found.p99:.1f} ms; "
        f"{found.done:.1f}/s, failed {found.failed:.1%}, generator late {found.lag:.1f} ms"
    )


def show_figures(rounds: Rounds) -> None:
    """The means of each side."""
    print(f"\n{'':22} {'CPU':>7} {'gateway':>8} {'database':>9} {'p50':>7} {'p95':>7} {'p99':>7} {'failed':>7}")
    for name, found in rounds.items():
        mean = {figure: fmean(getattr(one, figure) for one in found) for figure in Figures.__dataclass_fields__}
        print(
            f"{name:22} {mean['cpu']:7.2f} {mean['gateway']:8.2f} {mean['database']:9.2f} {mean['p50']:7.1f} "
            f"{mean['p95']:7.1f} {mean['p99']:7.1f} {mean['failed']:7.1%}"
        )
    print("CPU, the gateway's in it, and the database's: milliseconds of processors a request. Latency: milliseconds.")


def show_goals(rounds: Rounds) -> bool:
    """The goals, and whether all that could be looked at are reached."""
    print(f"\n{'':17} {'ours':20} {'against':22} {'times less':>10}  {'by rounds':>13} {'goal':>5}  database's CPU")
    reached = True
    for goal in GOALS:
        if goal.ours not in rounds or goal.peer not in rounds:
            continue
        found, database = ratios(rounds, goal, goal.figure), ratios(rounds, goal, "database")
        reached &= typical(found) >= goal.times
        spread, verdict = f"{min(found):.2f} to {max(found):.2f}", "" if typical(found) >= goal.times else "  MISSED"
        print(
            f"{goal.what:17} {goal.ours:20} {goal.peer:22} {typical(found):10.2f}  {spread:>13} {goal.times:5g}  "
            f"{typical(database):.2f} ({min(database):.2f} to {max(database):.2f}){verdict}"
        )
    return reached


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.structures", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured (default 5)")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each time (default 10)")
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

"""A parcel's journey in a simulated world: steps side by side, a sleep, and a wait for an event."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.shop import Outcome, events_in, shown
from tests.crash.stage import FRAMEWORK, Stage, Tables, rows
from tests.crash.world import Plan, Point, World, simulate
from tests.sagas.parcels import OUTSIDE, post

STRUCTURES: dict[str, list[tuple[str, ...]]] = {
    "monolith": [("dispatch", "parcels")], "microservices": [("dispatch",), ("parcels",)],
}


@dataclass(frozen=True)
class Case:
    """Parcels, for how many seconds the first one is waited for, when it arrives, and how that ends."""

    parcels: tuple[str, ...]
    seconds: int
    at: float | None
    ends: tuple[str, str]
    note: str


CASES = {
    "it arrives while it is waited for": Case(("a", "b"), 100, 60, ("str", "home"), "home"),
    "it arrives before it is waited for": Case(("a", "b"), 100, 15, ("str", "home"), "home"),
    "it never arrives": Case(("a", "b"), 20, None, ("Broken", "Broken(parcel='a is lost')"), "given up"),
    "one is broken": Case(("a", "broken", "b"), 20, None, ("Broken", "Broken(parcel='broken')"), "given up"),
}


def make_post(root: Path) -> Stage:
    """The dispatcher and his packer, with nothing to do yet."""
    return Stage(root, post, STRUCTURES, fill=lambda world: asyncio.sleep(0))


def run(stage: Stage, structure: str, case: Case, plan: Plan | None = None) -> tuple[Outcome, list[Point]]:
    """One journey, and what is left of it when all is quiet."""
    OUTSIDE.__init__()  # type: ignore[misc]
    with stage.world(structure, plan) as world:
        answer = simulate(world, lambda: travel(world, case))
        tables = rows(world.folder)
    state = {n: sorted(tuple(r.values()) for r in found) for n, found in tables.items() if not n.endswith(FRAMEWORK)}
    outcome = Outcome(shown(answer), state, events_in(tables), [(label,) for label in OUTSIDE.labels])
    audit(outcome, tables, case)
    return outcome, world.points


async def travel(world: World, case: Case) -> object:
    """Ask until there is an answer; let the parcel arrive when it is to; and ask again."""
    async def ask() -> object:
        return await world.ask("dispatch.journey", case.parcels, case.seconds, key="k")

    travelling = asyncio.create_task(ask())
    if case.at is not None:
        await asyncio.sleep(case.at)
        await world.ask("parcels.arrive", "a", "home", key="arrives")
    first = await travelling
    await world.settle()
    second = await ask()
    assert shown(first) == shown(second), f"first {first!r}, and under the same key {second!r}"
    return second


def audit(outcome: Outcome, tables: Tables, case: Case) -> None:
    """What must hold, whatever went wrong."""
    done = outcome.answer[0] == "str"
    assert outcome.answer == case.ends, outcome.answer
    assert outcome.state["dispatch_note"] == [("a", case.note)], outcome.state
    left = [("a", "packed"), ("b", "packed")] if done else [("a", "unpacked"), ("b", "unpacked")]
    assert outcome.state["parcels_parcel"] == left, outcome.state
    assert outcome.books == ([("a",)] if done else []), outcome.books
    rows_left: list[Any] = [*tables["dispatch_saga"], *tables["dispatch_inbox"], *tables["parcels_inbox"]]
    states = {row.get("state", row.get("status")) for row in rows_left}
    assert states <= {"done", "fault", "tombstone"}, states
    assert len(tables["dispatch_arrival"]) == (case.at is not None), tables["dispatch_arrival"]

"""A town with a newspaper: a publisher, two modules that subscribe, and what must hold however they die."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, update

from craton import Application, Database, Event, Events, Module, command, on
from tests.crash.stage import FRAMEWORK, Stage, Tables, rows
from tests.crash.world import Plan, Point, World, simulate

PAPERS, ISSUES = ("herald", "tribune"), 3
"""Each paper is a stream of so many issues."""
STRUCTURES: dict[str, list[tuple[str, ...]]] = {
    "monolith": [("press", "library", "cafe")],
    "microservices": [("press",), ("library",), ("cafe",)],
    "press+cafe": [("press", "cafe"), ("library",)],
}
WRITTEN = (("press_printed", ""), ("library_shelf", ""), ("cafe_heard", "Printed "), ("cafe_heard", "Filed "))
"""Tables, and how what stands there begins: each issue once, in order."""


class Printed(Event, key="paper"):
    paper: str
    issue: int


class Filed(Event, key="paper"):
    """The library has an issue on its shelf."""

    paper: str
    issue: int


class Rumour(Event):
    """What is told without any order."""

    about: str


class Press(Protocol):
    @command
    async def print(self, paper: str, issue: int) -> str: ...


class Library(Protocol):
    @on(Printed)
    async def file(self, event: Printed) -> None: ...

    @on(Printed)
    async def count(self, event: Printed) -> None: ...


class Cafe(Protocol):
    @on(Printed, Filed)
    async def hear(self, event: Printed | Filed) -> None: ...

    @on(Rumour)
    async def gossip(self, event: Rumour) -> None: ...


press_tables, library_tables, cafe_tables = MetaData(), MetaData(), MetaData()
printed = Table("press_printed", press_tables, Column("id", Integer, primary_key=True), Column("what", String))
shelf = Table("library_shelf", library_tables, Column("id", Integer, primary_key=True), Column("what", String))
counted = Table("library_counted", library_tables, Column("paper", String, primary_key=True), Column("n", Integer))
heard = Table("cafe_heard", cafe_tables, Column("id", Integer, primary_key=True), Column("what", String))
gossip = Table("cafe_gossip", cafe_tables, Column("id", Integer, primary_key=True), Column("what", String))
"""`id` grows with each row, and so tells their order."""


class Presses(Press):
    """Prints, and says so."""

    def __init__(self, db: Database, events: Events) -> None:
        self.db, self.events = db, events

    async def print(self, paper: str, issue: int) -> str:
        await self.db.execute(insert(printed).values(what=f"{paper} {issue}"))
        await self.events.publish(Printed(paper, issue))
        await self.events.publish(Rumour(f"{paper} {issue}"))
        return f"{paper} {issue}"


class Shelves(Library):
    """Files each issue, says so, and counts them."""

    def __init__(self, db: Database, events: Events) -> None:
        self.db, self.events = db, events

    async def file(self, event: Printed) -> None:
        await self.db.execute(insert(shelf).values(what=f"{event.paper} {event.issue}"))
        await self.events.publish(Filed(event.paper, event.issue))

    async def count(self, event: Printed) -> None:
        if event.issue == 1:
            await self.db.execute(insert(counted).values(paper=event.paper, n=1))
        else:
            more = update(counted).where(counted.c.paper == event.paper).values(n=counted.c.n + 1)
            await self.db.execute(more)


class Guests(Cafe):
    """Talk about what they have heard."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def hear(self, event: Printed | Filed) -> None:
        what = f"{type(event).__name__} {event.paper} {event.issue}"
        await self.db.execute(insert(heard).values(what=what))

    async def gossip(self, event: Rumour) -> None:
        await self.db.execute(insert(gossip).values(what=event.about))


HERE = "tests.crash.town"
town = Application("town", [
    Module("press", Press, f"{HERE}:Presses", tables=f"{HERE}:press_tables"),
    Module("library", Library, f"{HERE}:Shelves", tables=f"{HERE}:library_tables"),
    Module("cafe", Cafe, f"{HERE}:Guests", tables=f"{HERE}:cafe_tables"),
])


@dataclass(frozen=True)
class Ran:
    """One run: what is in the end, and what it went through."""

    state: Mapping[str, list[str]]
    points: list[Point]
    requests: Mapping[str, int]


async def nothing(world: World) -> None:
    """A town needs no first data."""


def make_town(root: Path) -> Stage:
    """The town, in each structure."""
    return Stage(root, town, STRUCTURES, fill=nothing)


def run(stage: Stage, structure: str, plan: Plan | None = None) -> Ran:
    """All issues of all papers are printed, some at once; what was late comes when all is over."""
    with stage.world(structure, plan) as world:
        simulate(world, lambda: print_all(world))
        tables = rows(world.folder)
    audit(tables)
    state = {n: [str(r.get("what", r)) for r in found] for n, found in tables.items() if not n.endswith(FRAMEWORK)}
    return Ran({name: sorted(found) for name, found in state.items()}, world.points, dict(world.requests))


async def print_all(world: World) -> None:
    """The papers side by side, the issues of each one after the other; each is asked for again under its key."""
    await asyncio.gather(*(print_paper(world, paper) for paper in PAPERS))
    await rest(world)
    await world.deliver_late()
    await rest(world)


async def print_paper(world: World, paper: str) -> None:
    """All issues of a paper."""
    for issue in range(1, ISSUES + 1):
        for _ in range(2):
            assert await world.ask("press.print", paper, issue, key=f"{paper} {issue}") == f"{paper} {issue}"


async def rest(world: World) -> None:
    """Wait until no event is under way."""
    until = asyncio.get_running_loop().time() + 300
    while True:
        await world.settle()
        left = unrest(rows(world.folder))
        if not left:
            return
        assert asyncio.get_running_loop().time() < until, f"still under way: {left}"


def unrest(tables: Tables) -> list[dict[str, Any]]:
    """Events that were not confirmed, and letters that are tried again."""
    stored = [row for name, found in tables.items() if name.endswith("_outbox") for row in found]
    letters = [row for name, found in tables.items() if name.endswith("_letter") for row in found]
    return [row for row in stored if row["status"] == "stored"] + [
        row for row in letters if row["status"] in ("retrying", "waiting")
    ]


def audit(tables: Tables) -> None:
    """Each event was applied once by each who hears of it, in the order of its stream."""
    for table, kind in WRITTEN:
        found = [row["what"] for row in sorted(tables[table], key=lambda row: int(row["id"]))]
        for paper in PAPERS:
            told = [what for what in found if what.startswith(f"{kind}{paper} ")]
            assert told == [f"{kind}{paper} {issue}" for issue in range(1, ISSUES + 1)], f"{table}: {told}"
    about = [f"{paper} {issue}" for paper in PAPERS for issue in range(1, ISSUES + 1)]
    assert sorted(row["what"] for row in tables["cafe_gossip"]) == about
    assert {row["paper"]: row["n"] for row in tables["library_counted"]} == dict.fromkeys(PAPERS, ISSUES)
    letters = [row for name, found in tables.items() if name.endswith("_letter") for row in found]
    assert not letters, letters

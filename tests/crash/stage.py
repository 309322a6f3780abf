"""An application with its first data, ready to be run again and again: where simulated crashes are tried out."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from craton.application import Application
from craton.data.migrations import migrate
from craton.topology import Service, Topology
from tests.crash.world import Plan, Point, World, simulate
from tests.day import DAY

Tables = dict[str, list[dict[str, Any]]]
"""All rows of all services, by table."""
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
FRAMEWORK = ("_inbox", "_outbox", "_sequence", "_saga", "_journal", "_arrival", "_awaited", "_cursor", "_letter",
             "_snapshot", "_projection", "_job", "_alembic")
"""How the names of the framework's own tables end."""


class Stage:
    """Makes each structure's databases once, by running `fill` in it, and lends copies of them to runs."""

    def __init__(
        self, root: Path, application: Application, structures: Mapping[str, Sequence[Sequence[str]]],
        *, fill: Callable[[World], Awaitable[None]], environ: Mapping[str, str] | None = None,
    ) -> None:
        self.root, self.application, self.fill, self.environ = root, application, fill, environ
        self.topologies = {name: topology(name, services) for name, services in structures.items()}
        for made in self.topologies.values():
            (root / made.name).mkdir(parents=True)
            self.make(made)

    def make(self, made: Topology) -> None:
        """The databases of one structure."""
        for service in made.services:
            url = f"sqlite:///{self.root / made.name / service.name}.db"
            asyncio.run(migrate(url, [self.application.module(m) for m in service.modules]))
        world = World(self.application, made, self.root / made.name, environ=self.environ)
        simulate(world, lambda: self.fill(world))

    @contextmanager
    def world(self, structure: str, plan: Plan | None = None) -> Iterator[World]:
        """A world of its own."""
        folder = self.root / "run"
        folder.mkdir()
        try:
            for file in (self.root / structure).glob("*.db"):
                shutil.copy(file, folder)
            yield World(self.application, self.topologies[structure], folder, plan=plan, environ=self.environ)
        finally:
            shutil.rmtree(folder)


def topology(name: str, services: Sequence[Sequence[str]]) -> Topology:
    """A topology of these groups of modules, each service named after its first module."""
    return Topology(name, tuple(Service(modules[0], tuple(modules)) for modules in services))


def rows(folder: Path) -> Tables:
    """What all databases of a folder hold."""
    found: Tables = {}
    for file in sorted(folder.glob("*.db")):
        with closing(sqlite3.connect(file)) as connection:
            connection.row_factory = sqlite3.Row
            for (name,) in connection.execute(TABLES).fetchall():
                found[name] = [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
    return found


def instrumented(*application: str) -> list[ModuleType]:
    """The loaded files whose awaits are crash points: the framework's, and the application's."""
    prefixes = ("craton.", *application)
    loaded = [module for name, module in sorted(sys.modules.items()) if f"{name}.".startswith(prefixes)]
    return [m for m in loaded if (m.__file__ or "").endswith(".py") and not m.__name__.startswith("craton.testing")]


def moments(points: Sequence[Point]) -> list[int]:
    """The number of one point of each moment: had the service died at another, nobody would know the difference."""
    first: dict[tuple[int, int], int] = {}
    for number, point in enumerate(points, 1):
        first.setdefault(point.moment, number)
    return sorted(first.values())


def sample(points: Sequence[Point], stride: int) -> list[int]:
    """The numbers of the points to try: one of each moment, or every so many, others each night; with 0, all."""
    if not stride:
        return list(range(1, len(points) + 1))
    return moments(points)[DAY % stride::stride]

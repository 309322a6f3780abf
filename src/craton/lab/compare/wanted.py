"""What `craton compare` is to compare, and how: checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from math import inf
from pathlib import Path
from typing import Any, Literal, get_args

from craton.errors import SettingsError
from craton.lab.compare.rounds import Traffic
from craton.lab.compare.stand import OpenStand, Setup
from craton.lab.compare.stand_beside import beside_stand, described
from craton.lab.compare.stand_craton import craton_stand
from craton.lab.scenario import Scenario
from craton.run.loading import load_application

Phase = Literal["start", "profile", "steady", "capacity", "isolation", "scaling", "overload"]
PHASES: tuple[Phase, ...] = get_args(Phase)
SURE = 5
"""Rounds under which figures are a look, not a measurement."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is done where nothing is said."""

    phases: tuple[Phase, ...] = PHASES
    rounds: int = SURE
    seconds: float = 10.0
    warmup: float = 3.0


USUAL = Extent()
QUICK = Extent(phases=("start", "profile", "steady"), rounds=2, seconds=4.0, warmup=1.0)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for. `rate`: actions a second; `ramp`: to what it rises in each steady round; `visitors`: so many
    in closed loop instead; `seconds`, `warmup`: of each measured round; `objective`: seconds within which the
    `percentile` of the actions is to be done where throughput is sought."""

    package: str
    topologies: tuple[str, ...]
    scenario: Scenario
    place: str  # the scenario's import path, "apps.store.scenarios:shopping"
    beside: tuple[Path, ...] = ()
    phases: tuple[Phase, ...] = PHASES
    rate: float = 20.0
    ramp: float | None = None
    visitors: int | None = None
    rounds: int = USUAL.rounds
    seconds: float = USUAL.seconds
    warmup: float = USUAL.warmup
    objective: float = 0.1
    percentile: str = "p90"
    gateway: str = "envoy"
    tls: str | None = None  # a folder that `craton certs` made
    database: str | None = None
    seed: int = 1
    different: bool = False
    command: str = ""
    setup: Setup = field(init=False)

    def __post_init__(self) -> None:
        setup = Setup(
            package=self.package, database=self.database, gateway=self.gateway, tls=self.tls,
            settings=self.scenario.settings,
        )
        object.__setattr__(self, "setup", setup)
        given = (self.rate, self.ramp, self.visitors, self.rounds, self.seconds, self.objective)
        if not all(0 < value < inf for value in given if value is not None) or not 0 <= self.warmup < inf:
            raise SettingsError("--rate, --ramp, --visitors, --rounds, --seconds and --objective take numbers above 0.")
        if self.ramp is not None and self.visitors is not None:
            raise SettingsError("a number of visitors has no rate that could rise: give --ramp or --visitors.")
        if self.authority and not Path(self.authority).exists():
            raise SettingsError(f"{self.tls} has no certificates: make them with `craton certs {self.tls} ...`.")
        if self.database is not None and not self.database.startswith(("postgresql:", "postgres:")):
            raise SettingsError("sides are compared on PostgreSQL: give --database postgresql://... (or leave it out).")
        if not self.topologies and not self.beside:
            raise SettingsError("nothing is to be compared: give --topologies, such as monolith,microservices.")
        for topology in self.topologies:
            load_application(self.package, topology)  # refuses those that are not there
        names = self.names()
        if twice := sorted(name for name in set(names) if names.count(name) > 1):
            raise SettingsError(f"two sides are called {twice[0]}: give each --beside once, and a name of its own.")

    def names(self) -> list[str]:
        """What the sides are called."""
        return [*self.topologies, *(described(file, self.setup).name for file in self.beside)]

    @property
    def traffic(self) -> Traffic:
        """Who comes in steady rounds."""
        return Traffic(
            rate=self.rate, until=self.ramp, visitors=self.visitors, seconds=self.seconds, warmup=self.warmup,
        )

    @property
    def authority(self) -> str | None:
        """The certificate that visitors believe."""
        return str(Path(self.tls) / "ca.crt") if self.tls else None

    def sides(self) -> list[tuple[str, OpenStand]]:
        """How to bring each side up: the topologies first."""
        topologies = [(topology, opening_of(self.setup, topology)) for topology in self.topologies]
        return [*topologies, *((str(file), beside_of(self.setup, file)) for file in self.beside)]


def beside_of(setup: Setup, file: Path) -> OpenStand:
    """What brings a program beside up."""
    return lambda: beside_stand(setup, file)


def opening_of(setup: Setup, topology: str) -> OpenStand:
    """What brings a topology up."""
    return lambda: craton_stand(setup, topology)


def listed(names: str) -> tuple[str, ...]:
    """Names between commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))


def phases_of(names: str) -> tuple[Phase, ...]:
    """Phases by their names, in the order in which they are done; none where none is named."""
    asked = listed(names)
    if unknown := [name for name in asked if name not in PHASES]:
        raise SettingsError(f"there is no phase {', '.join(unknown)}: there are {', '.join(PHASES)}.")
    return tuple(phase for phase in PHASES if phase in asked)


def scenario_of(package: str, name: str) -> tuple[Scenario, str]:
    """A scenario of an application, and its import path; the only one, where no name is given."""
    place = f"{package}.scenarios"
    try:
        module = import_module(place)
    except ModuleNotFoundError as error:
        if error.name != place:
            raise
        raise SettingsError(
            f"{package} has no scenarios: write {place.replace('.', '/')}.py, with a craton.lab.scenario.Scenario that "
            "says what visitors do."
        ) from error
    found = {scenario.name: (scenario, f"{place}:{key}") for key, scenario in scenarios_in(vars(module))}
    if name in found:
        return found[name]
    if not name and len(found) == 1:
        return next(iter(found.values()))
    raise SettingsError(f"{place} has no scenario {name!r}: it has {', '.join(found) or 'none'}.")


def scenarios_in(names: dict[str, Any]) -> Iterable[tuple[str, Scenario]]:
    """The scenarios among the names of a module."""
    return [(key, value) for key, value in names.items() if isinstance(value, Scenario)]

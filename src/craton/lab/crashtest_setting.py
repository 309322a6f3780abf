"""What `craton crashtest` is to try: which structures, on which stores, and which kinds of blows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from craton.application import find_application
from craton.errors import DeclarationError, SettingsError
from craton.lab.crashtest_control import KINDS, Kind
from craton.run.loading import load_application
from craton.topology import load_topologies, topology_file


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is tried. `database`: a PostgreSQL URL, whose name the structures' databases begin with; None for SQLite.
    `broker`: a URL. `sample`: so many trials, drawn by `seed`, instead of all.
    """

    package: str
    topology: str
    database: str | None = None
    broker: str | None = None
    kinds: tuple[Kind, ...] = KINDS
    sample: int | None = None
    seed: int = 1

    def __str__(self) -> str:
        broker = " with a broker" if self.broker else ""
        return f"{self.topology} on {'PostgreSQL' if self.database else 'SQLite'}{broker}"


def settings(
    package: str, *, topologies: Sequence[str] | None = None, database: str | None = None, broker: str | None = None,
    kinds: Sequence[str] = KINDS, sample: int | None = None, seed: int = 1,
) -> list[Setting]:
    """Each structure on each store; a sample is shared out among them."""
    declaration(package)
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise SettingsError(f"there is no kind {', '.join(unknown)}: there are {', '.join(KINDS)}.")
    made = [
        Setting(package=package, topology=topology, database=store, broker=broker, seed=seed,
                kinds=tuple(kind for kind in KINDS if kind in kinds))
        for topology in topologies or structures_of(package) for store in stores_of(package, topology, database)
    ]
    if sample is None:
        return made
    shares = [sample // len(made) + (number < sample % len(made)) for number in range(len(made))]
    return [replace(setting, sample=share) for setting, share in zip(made, shares, strict=True) if share]


def declaration(package: str) -> Any:
    """What an application declares for crash tests."""
    name = f"{package}.crashtest"
    try:
        found = import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        found = None
    if not (hasattr(found, "scenario") and hasattr(found, "invariants")):
        raise DeclarationError(
            f"{package} does not say what is to be tried: write {name.replace('.', '/')}.py, with "
            "`async def scenario(scene)` and `async def invariants(scene)`."
        )
    return found


def structures_of(package: str) -> list[str]:
    """The names of all topologies, but those with programs that are not Craton's: their books cannot be read."""
    found = load_topologies(find_application(package), topology_file(package))
    return [name for name, topology in found.items() if not topology.abroad]


def stores_of(package: str, topology: str, database: str | None) -> list[str | None]:
    """SQLite, where no service has replicas, and PostgreSQL, where there is one."""
    _, found = load_application(package, topology)
    alone = all(service.replicas == 1 for service in found.services)
    return [None] * alone + [database] * (database is not None)

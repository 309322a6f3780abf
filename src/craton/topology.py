"""A topology: which modules run in which service, and by which link they call each other."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import msgspec

from craton.application import Application
from craton.errors import DeclarationError, SettingsError


@dataclass(frozen=True, slots=True)
class Service:
    """One deployable unit: the modules it hosts, and in how many processes."""

    name: str
    modules: tuple[str, ...]
    replicas: int = 1


GATEWAY = Service("gateway", ())
"""What serves the edge in front of several services, and hosts no module; every topology has it."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Services, and the links between their modules where they are not the default."""

    name: str
    services: tuple[Service, ...]
    links: Mapping[str, str] = field(default_factory=dict)

    def service(self, name: str) -> Service:
        """The service with this name."""
        for service in (*self.services, GATEWAY):
            if service.name == name:
                return service
        raise DeclarationError(f"topology {self.name} has no service {name}: it has {listed(s.name for s in self.services)}.")

    def home_of(self, module: str) -> Service:
        """The service that hosts a module."""
        for service in self.services:
            if module in service.modules:
                return service
        raise DeclarationError(f"topology {self.name} has no module {module}: place it in one of its services.")

    def link(self, asking: str, asked: str) -> str:
        """How one module calls another: "local" within a service, else what `links` says, else "rpc"."""
        if self.home_of(asking) is self.home_of(asked):
            return "local"
        return self.links.get(f"{asking} -> {asked}", "rpc")


@dataclass(frozen=True, slots=True)
class Companion:
    """A program that stands in for the outside world on a developer's machine; no part of the application.

    `command` and the values of `settings` may hold {python}, {port} and {data}; `settings` go to every service.
    """

    name: str
    command: str
    settings: Mapping[str, str] = field(default_factory=dict)


class ServiceTable(msgspec.Struct, forbid_unknown_fields=True):
    """`shop = { modules = [...], replicas = 2 }`."""

    modules: list[str]
    replicas: int = 1


class TopologyTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[hybrid]`, with `[hybrid.services]` and `[hybrid.links]`. `each = "*"`: one service per module not named."""

    services: dict[str, list[str] | ServiceTable] = {}
    each: Literal["*"] | None = None
    links: dict[str, str] = {}


class CompanionTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[companions.provider]`."""

    command: str
    settings: dict[str, str] = {}


def topology_file(name: str) -> Path:
    """Where the topologies of an application ("apps.store") stand: `topology.toml` beside its `application.py`."""
    spec = find_spec(f"{name}.application")
    if spec is None or spec.origin is None:
        raise DeclarationError(f"there is no {name}.application: give the package that holds it, such as apps.store.")
    return Path(spec.origin).with_name("topology.toml")


def load_topologies(application: Application, path: Path) -> dict[str, Topology]:
    """The topologies of an application, checked. `monolith` and `microservices` exist without being written."""
    tables = {"monolith": {"services": {application.name: ["*"]}}, "microservices": {"each": "*"}} | read(path)
    tables.pop("companions", None)
    return {name: topology_of(application, name, parsed(table, TopologyTable, f"{path}: {name}")) for name, table in tables.items()}


def load_companions(path: Path) -> tuple[Companion, ...]:
    """The companions in a topology file."""
    tables = parsed(read(path).get("companions", {}), dict[str, CompanionTable], f"{path}: companions")
    return tuple(Companion(name, table.command, table.settings) for name, table in tables.items())


def read(path: Path) -> dict[str, Any]:
    """What a topology file holds; nothing where there is none."""
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError(f"{path} is not TOML: {error}.") from error


def parsed(table: object, kind: Any, where: str) -> Any:
    """A table of the file in its shape."""
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise DeclarationError(f"{where}: {error}.") from error


def topology_of(application: Application, name: str, table: TopologyTable) -> Topology:
    """One topology from its table."""
    shapes = {n: t if isinstance(t, ServiceTable) else ServiceTable(t) for n, t in table.services.items()}
    named = {module for shape in shapes.values() for module in shape.modules}
    rest = [module.name for module in application.modules if module.name not in named]
    services = [
        Service(n, tuple(m for item in shape.modules for m in (rest if item == "*" else [item])), shape.replicas)
        for n, shape in shapes.items()
    ]
    services += [Service(module, (module,)) for module in rest if table.each]
    return Topology(name, tuple(services), table.links)


def check_database(service: Service, url: str) -> None:
    """Refuse SQLite for a service of several processes: it serves one process per file."""
    if service.replicas > 1 and url.startswith("sqlite:"):
        raise SettingsError(
            f"service {service.name} has {service.replicas} replicas, but SQLite serves one process per file: "
            "give it a PostgreSQL database (postgresql://...), or replicas = 1."
        )


def listed(names: Iterable[str]) -> str:
    """Names for people."""
    return ", ".join(names) or "none"

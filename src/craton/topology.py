"""A topology: which modules run in which service, by which link they call each other, and which workers there are."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import msgspec

from craton.application import Application
from craton.checking import check_name
from craton.contract import methods_of
from craton.errors import DeclarationError, SettingsError
from craton.pools import Pool, PoolTable, check_pools, default_pools, pools_of


@dataclass(frozen=True, slots=True)
class Service:
    """One deployable unit: the modules it hosts, and in how many processes.

    With a `command` it is a program in any language, which answers the OpenAPI document of its modules. The command may
    hold {python}, {port}, {data}, and {here}, the folder of topology.toml.
    """

    name: str
    modules: tuple[str, ...]
    replicas: int = 1
    command: str = ""


LINKS = {
    "local": "local is for modules of one service, and these are of two",
    "wire": "wire is for tests, within one process",
    "rpc": "",
    "rest": "",
    "grpc": "",
}
"""The kinds of links, and why one may not be chosen in a topology."""

GATEWAY = Service("gateway", ())
"""What serves the edge in front of several services, and hosts no module; every topology has it."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Services, and the links between their modules where they are not the default: by "orders -> payments", where
    either side may be "*", and the asking one "gateway". `sites`: the modules that are ASGI applications. `workers`:
    the pools for the tasks; `unwritten` where the file names none, and there is one for all that is done in Python."""

    name: str
    services: tuple[Service, ...]
    links: Mapping[str, str] = field(default_factory=dict)
    sites: frozenset[str] = frozenset()
    workers: tuple[Pool, ...] = ()
    unwritten: bool = False

    @property
    def abroad(self) -> frozenset[str]:
        """The modules that are programs in other languages."""
        return frozenset(module for service in self.services if service.command for module in service.modules)

    def service(self, name: str) -> Service:
        """The service with this name."""
        for service in (*self.services, GATEWAY):
            if service.name == name:
                return service
        known = listed(service.name for service in self.services)
        raise DeclarationError(f"topology {self.name} has no service {name}: it has {known}.")

    def pool(self, name: str) -> Pool:
        """The pool with this name."""
        for pool in self.workers:
            if pool.name == name:
                return pool
        raise DeclarationError(
            f"topology {self.name} has no pool {name}: it has {listed(pool.name for pool in self.workers)}."
        )

    def home_of(self, module: str) -> Service:
        """The service that hosts a module."""
        for service in self.services:
            if module in service.modules:
                return service
        raise DeclarationError(f"topology {self.name} has no module {module}: place it in one of its services.")

    def link(self, asking: str, asked: str) -> str:
        """How one module, or the gateway, calls a module: "local" within a service, else what `links` says of the two,
        of the asking one, of the asked one, or of all; else "rpc". Programs in other languages are asked by "rest"."""
        home = self.home_of(asked)
        if asking in home.modules:
            return "local"
        if asking == GATEWAY.name and asked in self.sites:
            return "rest"  # which is HTTP: requests are passed on as they are
        pairs = (f"{asking} -> {asked}", f"{asking} -> *", f"* -> {asked}", "* -> *")
        return "rest" if home.command else next((self.links[pair] for pair in pairs if pair in self.links), "rpc")

    def kinds(self, asking: Service, asked: Service) -> frozenset[str]:
        """The kinds of links by which the modules of one service, or the gateway, may call those of another."""
        return frozenset(self.link(one, other) for one in asking.modules or (asking.name,) for other in asked.modules)

    def asked_by(self, service: Service) -> frozenset[str]:
        """The kinds of links by which others may ask a service."""
        others = [other for other in (*self.services, GATEWAY) if other is not service]
        return frozenset(kind for other in others for kind in self.kinds(other, service))


@dataclass(frozen=True, slots=True)
class Companion:
    """A program that stands in for the outside world on a developer's machine; no part of the application.

    `command` and the values of `settings` may hold {python}, {port} and {data}; `settings` go to every service.
    """

    name: str
    command: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setup:
    """What `craton run` does once the services are ready, and what it then tells people.

    `command` may hold {python}, {url} and {data}; it runs at every start, so repeating it must be harmless. `hint` may
    hold {url}.
    """

    command: str = ""
    hint: str = ""


class ServiceTable(msgspec.Struct, forbid_unknown_fields=True):
    """`shop = { modules = [...], replicas = 2 }`."""

    modules: list[str]
    replicas: int = 1
    command: str = ""


class TopologyTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[hybrid]`, with `[hybrid.services]`, `[hybrid.links]` and `[hybrid.workers]`. `each = "*"`: one service for each
    module not named."""

    services: dict[str, list[str] | ServiceTable] = {}
    each: Literal["*"] | None = None
    links: dict[str, str] = {}
    workers: dict[str, PoolTable] = {}


class CompanionTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[companions.provider]`."""

    command: str
    settings: dict[str, str] = {}


class SetupTable(msgspec.Struct, forbid_unknown_fields=True):
    """`[setup]`."""

    command: str = ""
    hint: str = ""


OTHER_TABLES = ("companions", "settings", "setup")
"""What stands in the file beside the topologies."""


TOPOLOGY = (
    'a topology has services (lists of modules, or tables of modules, replicas and command), each = "*", links, and '
    "workers (tables of queues, slots, replicas and command)"
)
SETTINGS = 'settings are variables of the environment, such as API_BASE = "https://..."'

COMPANION = "a companion has a command, and may have settings"
SETUP = "setup may have a command and a hint"


def topology_file(name: str) -> Path:
    """Where the topologies of an application ("apps.store") stand: `topology.toml` beside its `application.py`."""
    try:
        spec = find_spec(f"{name}.application")
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise DeclarationError(f"there is no {name}.application: give the package that holds it, such as apps.store.")
    return Path(spec.origin).with_name("topology.toml")


def load_topologies(application: Application, path: Path) -> dict[str, Topology]:
    """The topologies of an application, checked. `monolith` and `microservices` exist without being written."""
    always: dict[str, Any] = {"monolith": {"services": {application.name: ["*"]}}, "microservices": {"each": "*"}}
    found = {}
    for name, table in (always | read(path)).items():
        if name in OTHER_TABLES:
            continue
        check_name(name, "topology")
        if isinstance(table, dict) and not table.keys() & {"services", "each"}:
            table = always.get(name, {}) | table
        found[name] = topology_of(application, name, parsed(table, TopologyTable, f"{path}: {name}", shape=TOPOLOGY))
        check_topology(application, found[name])
    return found


def load_companions(path: Path) -> tuple[Companion, ...]:
    """The companions in a topology file."""
    tables = parsed(read(path).get("companions", {}), dict[str, CompanionTable], f"{path}: companions", shape=COMPANION)
    return tuple(Companion(name, table.command, table.settings) for name, table in tables.items())


def load_settings(path: Path) -> dict[str, str]:
    """The variables that a topology file gives to every service and worker; they may hold {data}, {here} and {url}."""
    table = parsed(read(path).get("settings", {}), dict[str, str], f"{path}: settings", shape=SETTINGS)
    return dict(table)


def load_setup(path: Path) -> Setup:
    """What a topology file says of the time when the services are ready."""
    table = parsed(read(path).get("setup", {}), SetupTable, f"{path}: setup", shape=SETUP)
    return Setup(table.command, table.hint)


def read(path: Path) -> dict[str, Any]:
    """What a topology file holds; nothing where there is none."""
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError(f"{path} is not TOML: {error}.") from error


def parsed(table: object, kind: Any, where: str, *, shape: str) -> Any:
    """A table of the file in its shape."""
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise DeclarationError(f"{where}: {error}: {shape}.") from error


def topology_of(application: Application, name: str, table: TopologyTable) -> Topology:
    """One topology from its table."""
    shapes = {n: t if isinstance(t, ServiceTable) else ServiceTable(t) for n, t in table.services.items()}
    named = {module for shape in shapes.values() for module in shape.modules}
    rest = [module.name for module in application.modules if module.name not in named]
    held = {n: tuple(m for i in shape.modules for m in (rest if i == "*" else [i])) for n, shape in shapes.items()}
    services = [Service(n, held[n], shape.replicas, shape.command) for n, shape in shapes.items()]
    services += [Service(module, (module,)) for module in rest if table.each]
    sites = frozenset(module.name for module in application.modules if module.asgi)
    pools = pools_of(table.workers, application.modules) or default_pools(application.modules)
    return Topology(name, tuple(services), table.links, sites, pools, unwritten=bool(pools and not table.workers))


def check_topology(application: Application, topology: Topology) -> None:
    """Refuse a topology that places a module nowhere or twice, or that links what cannot be linked."""
    where = f"topology {topology.name}"
    known = [module.name for module in application.modules]
    for service in topology.services:
        check_service(service, where, known=known)
        if service.command:
            check_abroad(application, service, where)
    for name in known:
        homes = [service.name for service in topology.services for module in service.modules if module == name]
        if not homes:
            raise DeclarationError(f"{where} forgets module {name}: place it in a service.")
        if len(homes) > 1:
            raise DeclarationError(
                f"{where} places module {name} in {' and in '.join(homes)}: place it in one service."
            )
    for pair, kind in topology.links.items():
        check_link(topology, pair, kind)
    if not topology.unwritten:
        names = [service.name for service in topology.services]
        check_pools(topology.workers, application.modules, where, services=names)


def check_service(service: Service, where: str, *, known: Sequence[str]) -> None:
    """Refuse a service that could not be started."""
    check_name(service.name, f"{where}: service")
    if service.replicas < 1:
        raise DeclarationError(f"{where}: service {service.name} has {service.replicas} replicas: give it at least 1.")
    if not service.modules:
        raise DeclarationError(f"{where}: service {service.name} has no modules: give it one, or remove it.")
    for module in service.modules:
        if module not in known:
            raise DeclarationError(
                f"{where}: service {service.name} has an unknown module {module}: the application has {listed(known)}."
            )


def check_abroad(application: Application, service: Service, where: str) -> None:
    """Refuse a program in another language for a module that cannot be one."""
    for module in map(application.module, service.modules):
        here = f"{where}: service {service.name} has a command, and module {module.name}"
        if module.asgi:
            raise DeclarationError(f"{here} is an ASGI application: place it in a service without one.")
        for method in methods_of(module.contract).values():
            if method.kind == "saga":
                raise DeclarationError(f"{here} has the saga {method.name}: only Craton runs sagas.")
            if not (method.route or method.on):
                raise DeclarationError(
                    f"{here} is asked at its routes: give its method {method.name} one (an effect cannot have any)."
                )


def check_link(topology: Topology, pair: str, kind: str) -> None:
    """Refuse a link that does not exist, or between modules that need none."""
    where = f"topology {topology.name}: link {pair!r}"
    asking, arrow, asked = pair.partition(" -> ")
    if not arrow:
        raise DeclarationError(f"{where} is malformed: write it like 'orders -> payments'.")
    known = {module for service in topology.services for module in service.modules} | {"*"}
    for module, others in ((asking, {GATEWAY.name}), (asked, set[str]())):
        if module not in known | others:
            raise DeclarationError(f"{where} names {module}, which is no module: correct it.")
    if kind not in LINKS:
        raise DeclarationError(f"{where} is of an unknown kind {kind!r}: there are {listed(LINKS)}.")
    if LINKS[kind]:
        raise DeclarationError(f"{where}: {LINKS[kind]}: use rpc, rest or grpc.")
    if asked == "*":
        return
    home = topology.home_of(asked)
    if asking in home.modules:
        raise DeclarationError(f"{where}: both are in service {home.name}, where calls are local: remove the link.")
    if home.command and kind != "rest":
        raise DeclarationError(f"{where}: service {home.name} has a command, and is asked by rest: remove the link.")


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

"""An application: the list of its modules, and the one place where they are known."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from craton.checking import (
    check_claims,
    check_contract,
    check_event_names,
    check_modules,
    check_name,
    check_settings,
    check_tables,
)
from craton.contract import Method, methods_of
from craton.errors import DeclarationError
from craton.implementation import check_cycles, check_implementation, check_needs, check_site, needs_of
from craton.module import Module, load
from craton.routes import check_routes
from craton.task_checking import check_tasks
from craton.values import Event

SAGAS = "$sagas"
"""The subscriber that stands for all sagas of a module which wait for events."""


@dataclass(frozen=True, init=False)
class Application:
    """The whole program, as a value. Making one checks its contracts, and imports no implementation."""

    name: str
    modules: tuple[Module, ...]

    def __init__(self, name: str, modules: Iterable[Module]) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "modules", tuple(modules))
        check_name(name, "application")
        check_modules(name, self.modules)
        for module in self.modules:
            if not module.asgi:
                check_contract(module.contract)
            check_settings(module)
            check_tasks(module)
        check_event_names(self.modules)
        check_routes(self.modules)

    def module(self, name: str) -> Module:
        """The module with this name."""
        for module in self.modules:
            if module.name == name:
                return module
        known = ", ".join(module.name for module in self.modules)
        raise DeclarationError(f"application {self.name} has no module {name}: it has {known}.")

    def of(self, contract: type) -> Module:
        """The module that provides this contract."""
        for module in self.modules:
            if module.contract is contract:
                return module
        raise DeclarationError(f"no module of {self.name} provides {contract.__name__}: add one to the Application.")

    def kept(self, names: Iterable[str]) -> list[Module]:
        """Those of these modules that keep data: all but ASGI applications."""
        return [module for module in map(self.module, names) if not module.asgi]

    def methods(self) -> Iterator[tuple[Module, Method]]:
        """Every method of every contract."""
        for module in self.modules:
            for method in methods_of(module.contract).values():
                yield module, method

    def subscribers(self, event: type[Event]) -> tuple[str, ...]:
        """Who hears of an event: "module.method" for each handler, "module.$sagas" where sagas may wait for it."""
        found = {f"{m.name}.{method.name}": None for m, method in self.methods() if event in method.on}
        waiting = {f"{m.name}.{SAGAS}": None for m, method in self.methods() if event in method.awaits}
        return (*found, *waiting)

    def destinations(self) -> dict[str, tuple[str, ...]]:
        """The modules that hear of each event, by the name of its type."""
        found: dict[str, dict[str, None]] = {}
        for module, method in self.methods():
            for event in (*method.on, *method.awaits):
                found.setdefault(event.__name__, {})[module.name] = None
        return {name: tuple(modules) for name, modules in found.items()}


def find_application(name: str) -> Application:
    """The application of a package ("apps.store"): the one Application value in its file `application`."""
    file = f"{name}.application"
    try:
        values = vars(import_module(file)).values()
    except ModuleNotFoundError as error:
        if error.name is None or not f"{file}.".startswith(f"{error.name}."):
            raise  # the file exists, and imports something that does not: its own traceback says more
        raise DeclarationError(f"there is no {file}: give the package that holds it, such as apps.store.") from error
    found = {id(value): value for value in values if isinstance(value, Application)}
    if len(found) != 1:
        raise DeclarationError(f"{file} holds {len(found)} Application values: it must hold exactly one.")
    return next(iter(found.values()))


def package_of(application: Application) -> str:
    """The package ("apps.store") whose file `application` holds it; empty for one that a test made."""
    for name, module in sys.modules.copy().items():
        if name.endswith(".application") and any(value is application for value in vars(module).values()):
            return name.removesuffix(".application")
    return ""


def implementations(application: Application, names: Iterable[str]) -> dict[str, Any]:
    """The implementations of these modules by name, and what makes their ASGI applications, loaded and checked against
    contracts, needs and each other."""
    modules = [application.module(name) for name in names]
    providers = {module.contract: module.name for module in application.modules}
    found = {module.name: load(module.code, what=f"module {module.name}") for module in modules}
    for module in modules:
        (check_site if module.asgi else check_implementation)(module, found[module.name])
        check_needs(module, found[module.name], providers=providers)
    asked = {name: needs_of(implementation).values() for name, implementation in found.items()}
    check_cycles({name: tuple(providers[kind] for kind in kinds if kind in providers) for name, kinds in asked.items()})
    tables(application, found)
    return found


def tables(application: Application, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The names of the tables of these modules, loaded and checked; () for a module without any."""
    modules = [application.module(name) for name in names]
    found = {module.name: table_names(module) for module in modules}
    check_claims((f"table {table}", module) for module, tables in found.items() for table in tables)
    for module in modules:
        check_tables(module, found[module.name])
    return found


def table_names(module: Module) -> tuple[str, ...]:
    """The names of a module's tables."""
    if module.tables is None:
        return ()
    tables = getattr(load(module.tables, what=f"module {module.name}: tables"), "tables", None)
    if not isinstance(tables, Mapping):
        raise DeclarationError(f"module {module.name}: {module.tables} is no MetaData: name that of its tables.")
    return tuple(sorted(tables))


__all__ = ["Application", "find_application", "implementations", "needs_of", "package_of", "tables"]

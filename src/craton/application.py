"""An application: the list of its modules, and the one place where they are known."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, get_type_hints

from craton.contract import Method, is_contract, methods_of
from craton.errors import DeclarationError
from craton.module import Module, load


@dataclass(frozen=True, init=False)
class Application:
    """The whole program, as a value. Making one checks its contracts, and imports no implementation."""

    name: str
    modules: tuple[Module, ...]

    def __init__(self, name: str, modules: Iterable[Module]) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "modules", tuple(modules))

    def module(self, name: str) -> Module:
        """The module with this name."""
        for module in self.modules:
            if module.name == name:
                return module
        raise DeclarationError(f"{self.name} has no module {name}: it has {', '.join(m.name for m in self.modules)}.")

    def of(self, contract: type) -> Module:
        """The module that provides this contract."""
        for module in self.modules:
            if module.contract is contract:
                return module
        raise DeclarationError(f"no module of {self.name} provides {contract.__name__}: add one to the Application.")

    def methods(self) -> Iterator[tuple[Module, Method]]:
        """Every method of every contract."""
        for module in self.modules:
            for method in methods_of(module.contract).values():
                yield module, method


def find_application(name: str) -> Application:
    """The application of a package: the one Application value in its file `application`."""
    try:
        file = import_module(f"{name}.application")
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.application.".startswith(f"{error.name}."):
            raise
        raise DeclarationError(f"there is no {name}.application: give the package that holds it, such as apps.store.") from error
    found = {id(value): value for value in vars(file).values() if isinstance(value, Application)}
    if len(found) != 1:
        raise DeclarationError(f"{name}.application holds {len(found)} Application values: it must hold exactly one.")
    return next(iter(found.values()))


def needs_of(implementation: type) -> dict[str, type]:
    """What an implementation asks for: the parameters of its `__init__`, by annotation."""
    makers = [c for c in implementation.__mro__ if "__init__" in vars(c) and c is not object and not is_protocol(c)]
    if not makers:
        return {}
    function: Any = vars(makers[0])["__init__"]
    hints = get_type_hints(function)
    return {name: hints[name] for name in list(inspect.signature(function).parameters)[1:]}


def is_protocol(kind: type) -> bool:
    """Whether a class is a Protocol: such have an `__init__` of their own, which makes nothing."""
    return bool(getattr(kind, "_is_protocol", False))


def implementations(application: Application, names: Iterable[str]) -> dict[str, type]:
    """The implementations of these modules, loaded and checked."""
    return {name: load(application.module(name).implementation, what=name) for name in names}


__all__ = ["Application", "find_application", "implementations", "is_contract", "needs_of"]

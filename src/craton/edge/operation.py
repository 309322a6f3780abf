"""Operations: the methods of an application that the edge serves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import NoneType

from craton.application import Application
from craton.contract import Method, Route
from craton.edge.arguments import Reader, reader_of
from craton.edge.problems import MEMBERS
from craton.errors import DeclarationError
from craton.module import Module
from craton.routes import OWN
from craton.values import body_of


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one module at the edge: its route, and how to read its arguments."""

    module: Module
    method: Method
    route: Route
    reader: Reader

    @property
    def name(self) -> str:
        """The wire name: `orders.checkout`."""
        return f"{self.module.name}.{self.method.name}"

    @property
    def success(self) -> int:
        """The status of a result: 204 for none, 201 where a command or saga was posted."""
        if self.method.result in (None, NoneType):
            return 204
        return 201 if self.route.verb == "POST" and self.method.kind in ("command", "saga") else 200


def operations(application: Application) -> list[Operation]:
    """Every method with a route. DeclarationError where one cannot be served beside the rest."""
    found = [operation(module, method, method.route) for module, method in application.methods() if method.route]
    paths: dict[str, Operation] = {}
    for one in found:
        first = paths.setdefault(shape(one.route.path), one)
        if first.route.path != one.route.path:
            raise DeclarationError(
                f"{one.name} is at {one.route.path} and {first.name} at {first.route.path}: name the parameters alike."
            )
    return found


def operation(module: Module, method: Method, route: Route) -> Operation:
    """One method at its route."""
    if shape(route.path) in map(shape, OWN):
        raise DeclarationError(f"{module.name}.{method.name}: {route.path} belongs to the edge itself: take another.")
    for fault in method.raises:
        for name in body_of(fault).__struct_fields__:
            if name in MEMBERS:
                raise DeclarationError(f"{fault.__name__}.{name}: RFC 9457 has this name: rename the field.")
    return Operation(module, method, route, reader_of(method, route))


def shape(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"{\w+}", "{}", path)

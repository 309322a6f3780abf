"""Operations: the methods of an application that the edge serves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import NoneType
from typing import Any, get_origin

from craton.application import Application
from craton.contract import Method, Route
from craton.crossing import fields_of, is_value
from craton.edge.arguments import Reader, is_version, reader_of
from craton.edge.problems import MEMBERS
from craton.errors import DeclarationError
from craton.module import Module
from craton.routes import OWN
from craton.values import Page, body_of


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one module at the edge: its route, and how to read its arguments."""

    module: Module
    method: Method
    route: Route
    reader: Reader
    version: str | None = None
    """The field of the result that is its ETag."""
    paged: bool = False

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
    paged = route.verb == "GET" and issubclass(class_of(method.result), Page)
    if paged and "cursor" not in method.arguments.__struct_fields__:
        raise DeclarationError(
            f"{module.name}.{method.name} answers with a Page: give it the parameter `cursor: str | None = None`."
        )
    version = version_of(method.result) if route.verb == "GET" and not method.streams else None
    return Operation(module, method, route, reader_of(method, route), version, paged)


def class_of(kind: Any) -> type:
    """The class of a result: of Page[Product], Page; `object` where it is none, or one of several."""
    found = get_origin(kind) or kind
    return found if isinstance(found, type) else object


def version_of(kind: Any) -> str | None:
    """The field of a value that is its version."""
    if not is_value(class_of(kind)):
        return None
    return next((name for name, field in fields_of(kind).items() if is_version(field)), None)


def shape(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"{\w+}", "{}", path)

"""What is refused of routes: each must fit its method's kind and parameters, and belong to one method alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, get_args, get_origin

import msgspec

from craton.contract import Method, Route, methods_of
from craton.crossing import is_textual, shown
from craton.errors import DeclarationError
from craton.module import Module

PATH = re.compile(r"/|(/([A-Za-z0-9._~-]+|\{[A-Za-z_]\w*\}))+")
OWN = (
    "/health/live", "/health/ready", "/openapi.json", "/sagas/{module}/{id}",
    "/docs", "/docs/docs.js", "/docs/docs.css",
)
"""The paths that the edge keeps for itself."""
ELSE = "use a plain type, or post= with the parameter in its body"


def check_routes(modules: Sequence[Module]) -> None:
    """Refuse two methods at one address; `/items/{id}` and `/items/{sku}` are one."""
    taken: dict[tuple[str, str], str] = {}
    for module in modules:
        if module.asgi:
            check_path(module, modules)
        for method in methods_of(module.contract).values():
            if route := method.route:
                here = f"{route.verb} {route.path} of {module.name}.{method.name}"
                other = taken.setdefault((route.verb, re.sub(r"\{\w+\}", "{}", route.path)), here)
                if other is not here:
                    raise DeclarationError(f"{here} and {other} are the same route: give one of them another path.")


def check_path(site: Module, modules: Sequence[Module]) -> None:
    """Refuse a path under which the routes of contracts, or the edge's own, would hide pages of a site."""
    where = f"module {site.name}: path {site.path!r}"
    if not PATH.fullmatch(site.path) or "{" in site.path:
        raise DeclarationError(f"{where} is malformed: write it like '/' or '/admin'.")
    if site.path == "/":
        return
    methods = ((of, method) for of in modules for method in methods_of(of.contract).values())
    found = {m.route.path: f"{of.name}.{m.name}" for of, m in methods if m.route}
    for path, owner in (dict.fromkeys(OWN, "the edge itself") | found).items():
        if f"{path}/".startswith(f"{site.path}/"):
            raise DeclarationError(f"{where} would be hidden by {path} of {owner}: choose another path.")


def check_route(method: Method, route: Route, where: str) -> None:
    """Refuse a route that does not say what its method does, or that does not fit its parameters."""
    check_verb(method, route, where)
    if not PATH.fullmatch(route.path):
        raise DeclarationError(f"{where}: route {route.path!r} is malformed: write it like '/stock/{{sku}}'.")
    named = re.findall(r"\{(\w+)\}", route.path)
    kinds = {field.name: field.type for field in msgspec.structs.fields(method.arguments)}
    for name in named:
        check_in_path(name, f"{where}: route {route.path}", named=named, kinds=kinds)
    for name, kind in kinds.items():
        if name in named and not is_textual(kind):
            raise DeclarationError(
                f"{where}: parameter {name} is {shown(kind)}, which does not fit into a path: {ELSE}."
            )
        if name not in named and route.verb in ("GET", "DELETE") and not fits_query_string(kind):
            raise DeclarationError(
                f"{where}: parameter {name} is {shown(kind)}, which does not fit into a query string: {ELSE}."
            )


def check_verb(method: Method, route: Route, where: str) -> None:
    """Refuse a verb that says something else than the method's kind."""
    if method.kind == "effect":
        raise DeclarationError(
            f"{where}: an effect has no route, since only sagas call effects: give the route to a saga."
        )
    if method.kind == "query" and route.verb not in ("GET", "POST"):
        raise DeclarationError(
            f"{where}: {route.verb} is not for a query, which changes nothing: use get=, or mark it @command."
        )
    if method.kind != "query" and route.verb == "GET":
        raise DeclarationError(
            f"{where}: GET is not for a {method.kind}, which changes something: use post=, or mark it @query."
        )


def check_in_path(name: str, where: str, *, named: list[str], kinds: dict[str, Any]) -> None:
    """Refuse a name in a path that stands for no parameter, or for one twice."""
    if name not in kinds:
        raise DeclarationError(f"{where} names {{{name}}}, which is no parameter: it has {', '.join(kinds) or 'none'}.")
    if named.count(name) > 1:
        raise DeclarationError(f"{where} names {{{name}}} twice: name it once.")


def fits_query_string(kind: Any) -> bool:
    """Whether a parameter can be written as `?name=text`, or as several of these."""
    if get_origin(kind) in (tuple, frozenset):
        return len(items := [a for a in get_args(kind) if a is not Ellipsis]) == 1 and is_textual(items[0])
    return is_textual(kind, also=(type(None),))

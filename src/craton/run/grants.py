"""What each service of a topology may ask of others, whatever it says of itself."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec

from craton.application import Application
from craton.calls.links.rpc.handshake import Grants
from craton.contract import methods_of
from craton.module import Module
from craton.run.hosting import STATUS
from craton.run.post import EVENTS
from craton.topology import GATEWAY, Topology

OPERATOR = "operator"
"""Who a person's commands, and tests, come as: it may ask all."""


def grants_of(application: Application, topology: Topology) -> Grants:
    """The modules and methods that a service may need; None for one that the topology does not have.

    The gateway gets what has a route; a service the modules that its implementations name in their `__init__`, and
    whatever events are delivered to.
    """
    every = frozenset(module.name for module in application.modules)
    told = {f"{name}.{EVENTS.name}" for names in application.destinations().values() for name in names}
    services = {service.name: service for service in topology.services}

    @cache
    def granted(name: str) -> frozenset[str] | None:
        if name == OPERATOR:
            return every
        if name == GATEWAY.name:
            return frozenset(method for module in application.modules for method in routed(module))
        if name not in services:
            return None
        needs = [needs_in_source(application, application.module(module)) for module in services[name].modules]
        return every if None in needs else frozenset().union(told, *(need for need in needs if need is not None))

    return granted


def routed(module: Module) -> list[str]:
    """What of a module is asked from outside."""
    names = [method.name for method in methods_of(module.contract).values() if method.route]
    return [f"{module.name}.{name}" for name in (*names, STATUS.name)]


def needs_in_source(application: Application, module: Module) -> frozenset[str] | None:
    """The modules that an implementation asks for, read from its file: a service imports none but its own.

    None where its file is not here, or does not say: then the peer is believed.
    """
    file, _, name = module.code.partition(":")
    try:
        spec = find_spec(file)
        source = spec.loader.get_source(file) if spec and spec.loader else None  # type: ignore[attr-defined]
        return needs_in(ast.parse(source or ""), name, application)
    except (ImportError, AttributeError, OSError, SyntaxError, ValueError):
        return None


def needs_in(file: ast.Module, name: str, application: Application) -> frozenset[str] | None:
    """The modules that a class or function of a file asks for; None where it does not say."""
    made = next((node for node in file.body if getattr(node, "name", None) == name), None)
    contracts = {module.contract.__name__: module.name for module in application.modules}
    if isinstance(made, ast.ClassDef):
        bases, written = {word for base in made.bases for word in words_in(base)}, bool(made.decorator_list)
        made = next((node for node in made.body if getattr(node, "name", None) == "__init__"), None)
        if made is None and not written and bases <= contracts.keys():  # @dataclass writes an `__init__`
            return frozenset()
    if not isinstance(made, ast.FunctionDef):
        return None
    given = made.args
    hints = [arg.annotation for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs) if arg.annotation]
    words = {word for hint in hints for word in words_in(hint)}
    renamed = {alias.name for node in ast.walk(file) if isinstance(node, ast.ImportFrom)
               for alias in node.names if alias.asname in words}
    return frozenset(name for contract, name in contracts.items() if contract in words | renamed)


def words_in(hint: ast.expr) -> set[str]:
    """The names in an annotation, quoted or not: of `contracts.Payments | None` Payments, among others."""
    nodes = list(ast.walk(hint))
    quoted = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return names.union(*(words_in(ast.parse(text, mode="eval").body) for text in quoted))

"""Which faults a method raises, and which events it waits for, read from its source, so that what it does not declare
is found before it runs."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from craton.contract import Method, marks_of
from craton.values import Event, Fault

Caught = tuple[type[BaseException], ...]


def undeclared(implementation: type, method: Method) -> Iterator[tuple[type[Fault], int]]:
    """The faults that a method raises, itself or in unmarked methods that it calls on `self`, and does not declare.

    Each with its line in the file. Exact classes count: a fault crosses a link as the class that is declared.
    """
    for scan in scans(implementation, method.name, caught=(), seen={method.name}):
        yield from ((fault, line) for fault, line in scan.faults if fault not in method.raises)


def unawaited(implementation: type, method: Method) -> Iterator[tuple[type[Event], int]]:
    """The events that a saga waits for (`saga.event(OrderShipped, ...)`), and does not declare, each with its line."""
    for scan in scans(implementation, method.name, caught=(), seen={method.name}):
        yield from ((event, line) for event, line in scan.events if event not in method.awaits)


def scans(implementation: type, name: str, *, caught: Caught, seen: set[str]) -> Iterator[Scan]:
    """What stands in one method, and in those that it calls on `self`."""
    function = inspect.unwrap(getattr(implementation, name))
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return  # no source to read, such as an extension's or an interactive session's
    scan = Scan(function, first, caught=caught)
    scan.visit(ast.parse(textwrap.dedent("".join(lines))))
    yield scan
    for helper, caught_there in scan.helpers:
        if helper in marks_of(implementation) or helper in seen:
            continue
        seen.add(helper)
        if inspect.isfunction(getattr(implementation, helper, None)):
            yield from scans(implementation, helper, caught=caught_there, seen=seen)


class Scan(ast.NodeVisitor):
    """Collects `raise Fault(...)`, `saga.event(Event, ...)`, `self.helper(...)`, and minds what is caught around them.
    """

    def __init__(self, function: Any, first: int, *, caught: Caught) -> None:
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        self.names = vars(builtins) | function.__globals__ | {name: contents(cell) for name, cell in cells.items()}
        self.owner = next(iter(inspect.signature(function).parameters), "")
        self.first, self.caught = first, caught
        self.faults: list[tuple[type[Fault], int]] = []
        self.events: list[tuple[type[Event], int]] = []
        self.helpers: list[tuple[str, Caught]] = []

    def visit_Try(self, node: ast.Try) -> None:
        """What a handler catches does not leave the body."""
        before, self.caught = self.caught, self.caught + tuple(kind for h in node.handlers for kind in self.catches(h))
        for statement in node.body:
            self.visit(statement)
        self.caught = before
        for other in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(other)

    def visit_Raise(self, node: ast.Raise) -> None:
        """A fault raised by its class's name."""
        kind = self.value_of(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
        if isinstance(kind, type) and issubclass(kind, Fault) and not issubclass(kind, self.caught):
            self.faults.append((kind, self.first + node.lineno - 1))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        """A method called on `self`; a wait for an event."""
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr == "event" and node.args:
            kind = self.value_of(node.args[0])
            if isinstance(kind, type) and issubclass(kind, Event):
                self.events.append((kind, self.first + node.lineno - 1))
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == self.owner:
            self.helpers.append((called.attr, self.caught))
        self.generic_visit(node)

    def catches(self, handler: ast.ExceptHandler) -> Iterator[type[BaseException]]:
        """The classes that a handler catches for good: none when it raises again."""
        if any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(handler)):
            return
        named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        for node in named:
            kind = BaseException if node is None else self.value_of(node)
            if isinstance(kind, type) and issubclass(kind, BaseException):
                yield kind

    def value_of(self, node: ast.expr | None) -> Any:
        """What a name, dotted or not, stands for; None where that is known only when it runs."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            return getattr(self.value_of(node.value), node.attr, None)
        return None


def contents(cell: Any) -> Any:
    """What a closure's cell holds; None while it holds nothing."""
    try:
        return cell.cell_contents
    except ValueError:
        return None

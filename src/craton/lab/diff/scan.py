"""Reads the methods of implementations: what they ask, step by step, and what surrounds it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from craton.application import Application
from craton.contract import methods_of
from craton.lab.diff.code import Around, Code, How, Publication, Reading, Use
from craton.lab.diff.source import Place, pairs, source_of
from craton.module import Module
from craton.sagas.saga import Saga
from craton.values import Event

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def read(application: Application, found: Mapping[str, type]) -> Code:
    """Read the implementations of modules."""
    readings = [Reading(application, name, implementation) for name, implementation in found.items()]
    for reading in readings:
        for method in methods_of(reading.implementation):
            Scan(reading, method, around=Around(f"{reading.module}.{method}")).read()
    handed = {place: what for reading in readings for what, place in reading.handed_on}
    return Code(
        tuple(use for reading in readings for use in reading.uses),
        tuple(publication for reading in readings for publication in reading.publications),
        tuple((what, place) for place, what in sorted(handed.items())),
    )


class Scan(ast.NodeVisitor):
    """Goes through one method, and through those of its class that it calls on `self`."""

    def __init__(self, reading: Reading, name: str, *, around: Around) -> None:
        self.reading, self.name, self.around = reading, name, around
        self.source = source_of(getattr(reading.implementation, name))
        self.aliases: dict[str, Any] = {}
        self.inner: dict[str, list[ast.stmt]] = {}

    def read(self) -> None:
        """Find what there is."""
        for statement in self.source.tree.body if self.source else ():
            self.visit(statement)

    def place(self, node: ast.expr | ast.stmt) -> Place:
        """Where a node stands."""
        assert self.source is not None
        return self.source.place(node)

    # ------------------------------------------------------------------ what expressions stand for

    def module_of(self, node: ast.expr) -> Any:
        """The module, or the Saga, behind `self.carts` or a name that was given it; None for anything else."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id)
        if isinstance(node, ast.Attribute) and self.is_self(node):
            return self.reading.attributes.get(node.attr)
        return None

    def is_self(self, node: ast.Attribute) -> bool:
        """Whether it is an attribute of `self`."""
        return self.source is not None and isinstance(node.value, ast.Name) and node.value.id == self.source.owner

    def method_of(self, node: ast.expr) -> str | None:
        """ "carts.freeze" for `self.carts.freeze`, "orders.place" for `self.place` in a scan of orders."""
        if not isinstance(node, ast.Attribute):
            return None
        if self.is_self(node):
            return f"{self.reading.module}.{node.attr}" if node.attr in self.reading.own else None
        module = self.module_of(node.value)
        known = isinstance(module, Module) and node.attr in methods_of(module.contract)
        return f"{module.name}.{node.attr}" if known else None

    # ------------------------------------------------------------------ what is used

    def use(self, asked: str, node: ast.expr, how: How) -> None:
        """Note one use of a method."""
        now = self.around
        self.reading.uses.append(Use(now.asking, asked, how, self.place(node), now.loop, now.gather, now.sure))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """A method of another module, called, or handed on to be called."""
        asked = self.method_of(node)
        if asked is not None and not self.is_self(node):
            self.use(asked, node, "call")
        else:
            self.visit(node.value)

    def given(self, nodes: Iterable[ast.expr | ast.keyword | None]) -> None:
        """Look through what leaves the method, or is put together: a whole module is not followed from here."""
        for node in nodes:
            value = node.value if isinstance(node, ast.keyword | ast.Starred) else node
            if value is not None and (module := self.module_of(value)) is not None:
                self.reading.hands_on(module, self.place(value))
            elif value is not None:
                self.visit(value)

    def visit_Return(self, node: ast.Return) -> None:
        """What is answered."""
        self.given([node.value])

    def visit_Tuple(self, node: ast.Tuple | ast.List | ast.Set) -> None:
        """What is put together."""
        self.given(node.elts)

    visit_List = visit_Set = visit_Tuple

    def visit_Call(self, node: ast.Call) -> None:
        """A step or an undo, a method called on `self`, or any other call."""
        called, first = node.func, node.args[0] if node.args else None
        asked = self.method_of(first) if first is not None else None
        arguments: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        if isinstance(called, ast.Attribute) and named(called, "step", "undo") and first is not None and asked:
            self.visit(called.value)
            self.use(asked, first, "step" if called.attr == "step" else "undo")
            arguments.remove(first)
        elif isinstance(called, ast.Attribute) and self.is_self(called):
            self.follow(called.attr)
        else:
            self.publication(node)
            self.pause(called)
            self.visit(called)
        with self.within(**({"gather": self.place(node)} if named(called, "gather") else {})):
            self.given(arguments)

    def pause(self, called: ast.expr) -> None:
        """Note `saga.sleep(...)` and `saga.event(...)`: before it waits, a saga commits."""
        waits = named(called, "sleep", "event")
        if isinstance(called, ast.Attribute) and waits and self.module_of(called.value) is Saga:
            self.use(f"{self.reading.module}.{called.attr}", called, "pause")

    def publication(self, node: ast.Call) -> None:
        """Note where an event is made: `publish(OrderPlaced(...))`, or what a stream is to hold."""
        function: Any = inspect.unwrap(getattr(self.reading.implementation, self.name))
        event = function.__globals__.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if isinstance(event, type) and issubclass(event, Event):
            self.reading.publications.append(Publication(self.around.asking, event, self.place(node)))

    def follow(self, helper: str) -> None:
        """Go through a method that is called on `self`, once on each way."""
        if helper in self.around.through or not inspect.isfunction(getattr(self.reading.implementation, helper, None)):
            return
        Scan(self.reading, helper, around=replace(self.around, through=(*self.around.through, helper))).read()

    # ------------------------------------------------------------------ names, loops and branches

    def visit_Assign(self, node: ast.Assign) -> None:
        """`carts = self.carts` gives the module another name; all else is looked through."""
        rest = []
        for target, value in pairs(node):
            if isinstance(target, ast.Name) and (module := self.module_of(value)) is not None:
                self.aliases[target.id] = module
            else:
                rest.append(value)
        for value in rest:
            self.visit(value)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """`(carts := self.carts)` does, too."""
        if (module := self.module_of(node.value)) is not None:
            self.aliases[node.target.id] = module
        self.visit(node.value)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef | ast.FunctionDef) -> None:
        """A function within the method: what it asks is asked where it is named, and so perhaps in a loop."""
        self.inner[node.name] = node.body

    visit_FunctionDef = visit_AsyncFunctionDef

    def visit_Name(self, node: ast.Name) -> None:
        """A function within the method, called or handed on."""
        body = self.inner.pop(node.id, None)  # it may call itself
        for statement in body or ():
            self.visit(statement)
        if body is not None:
            self.inner[node.id] = body

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        """What is looped over is asked for once, the body in each turn."""
        self.visit(node.iter)
        self.repeated(node, node.body)
        self.branch(node.orelse)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        """Condition and body, in each turn."""
        self.repeated(node, [node.test, *node.body])
        self.branch(node.orelse)

    def comprehension(self, node: Comprehension) -> None:
        """What is looped over first is asked for once, all else for each item."""
        first, *others = node.generators
        made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self.visit(first.iter)
        inner: list[ast.expr] = [*first.ifs, *(part for g in others for part in (g.iter, *g.ifs)), *made]
        self.repeated(node, inner)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = comprehension

    def visit_If(self, node: ast.If | ast.IfExp) -> None:
        """One of two ways."""
        self.visit(node.test)
        self.branch(node.body if isinstance(node.body, list) else [node.body])
        self.branch(node.orelse if isinstance(node.orelse, list) else [node.orelse])

    visit_IfExp = visit_If

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """What is done when something went wrong."""
        self.branch(node.body)

    def visit_Match(self, node: ast.Match) -> None:
        """One of several ways."""
        self.visit(node.subject)
        for case in node.cases:
            self.branch(case.body)

    def branch(self, nodes: list[Any]) -> None:
        """What is not always done."""
        with self.within(sure=False):
            self.given(nodes)

    def repeated(self, node: ast.expr | ast.stmt, inner: list[Any]) -> None:
        """What is done in each turn of a loop."""
        with self.within(loop=self.place(node), sure=False):
            for part in inner:
                self.visit(part)

    @contextmanager
    def within(self, **changes: Any) -> Iterator[None]:
        """The same scan, in a loop or a branch."""
        before, self.around = self.around, replace(self.around, **changes)
        yield
        self.around = before


def named(called: ast.expr, *names: str) -> bool:
    """Whether a call is of a method with one of these names."""
    return isinstance(called, ast.Attribute) and called.attr in names

"""What is read of an implementation: which methods of others it asks, plainly or as steps, and in which loops."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from craton.application import Application, needs_of
from craton.contract import methods_of
from craton.lab.diff.source import Place, arguments_in, assignments, source_of
from craton.module import Module
from craton.sagas.saga import Saga
from craton.values import Event

How = Literal["call", "step", "undo", "pause"]


@dataclass(frozen=True, slots=True)
class Use:
    """That one method asks another: `asking` "orders.checkout", `asked` "carts.freeze"; in `loop`, where there is one
    around it, among others in `gather`, and not always where `sure` is False. `asked` may be of the same module where
    it is a saga's step, or its pause: "orders.sleep"."""

    asking: str
    asked: str
    how: How
    at: Place
    loop: Place | None
    gather: Place | None
    sure: bool

    @property
    def modules(self) -> tuple[str, str]:
        """Who asks whom."""
        return self.asking.partition(".")[0], self.asked.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Publication:
    """That a method makes an event, to publish it."""

    asking: str
    event: type[Event]
    at: Place


@dataclass(frozen=True)
class Code:
    """What was read: uses and publications, in the order in which they are written, and where a module was handed on to
    code that is not followed, as ("orders hands on catalog", where)."""

    uses: tuple[Use, ...]
    publications: tuple[Publication, ...]
    handed_on: tuple[tuple[str, Place], ...]


class Reading:
    """One implementation, with what its attributes stand for, and what was found in it so far."""

    def __init__(self, application: Application, module: str, implementation: type) -> None:
        self.module, self.implementation = module, implementation
        providers = {m.contract: m for m in application.modules}
        asked = needs_of(implementation)
        self.needs = {p: providers.get(kind, kind) for p, kind in asked.items() if kind in providers or kind is Saga}
        self.own = methods_of(implementation)
        self.uses: list[Use] = []
        self.publications: list[Publication] = []
        self.handed_on: list[tuple[str, Place]] = []
        self.attributes = {attribute: self.needs[p] for attribute, p in self.kept()}

    def hands_on(self, need: Module | type, at: Place) -> None:
        """Note where a module is given to code that is not read."""
        if isinstance(need, Module):
            self.handed_on.append((f"{self.module} hands on {need.name}", at))

    def kept(self) -> Iterator[tuple[str, str]]:
        """Under which attribute each need is kept: as `__init__` says, or else under the parameter's name."""
        source = source_of(getattr(self.implementation, "__init__"))  # noqa: B009  # mypy: it may be a subclass's
        found = list(assignments(source.tree, self.needs)) if source else []
        assigned = {parameter for _, parameter in found}
        for node in arguments_in(source.tree) if source else ():
            if isinstance(node, ast.Name) and node.id in self.needs:
                self.hands_on(self.needs[node.id], source.place(node))  # type: ignore[union-attr]
        yield from found
        yield from ((parameter, parameter) for parameter in self.needs if parameter not in assigned)


@dataclass(frozen=True)
class Around:
    """Where a scan is: for which method, in which loop and `gather`, whether it surely comes there, and through which
    helpers."""

    asking: str
    loop: Place | None = None
    gather: Place | None = None
    sure: bool = True
    through: tuple[str, ...] = ()

"""One thing that changes between two topologies, as a value; and what is known of the application to find it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import msgspec

from craton.application import Application, implementations, needs_of
from craton.contract import Method, methods_of
from craton.implementation import Factory
from craton.lab.diff.code import Code, Use
from craton.lab.diff.scan import read
from craton.lab.diff.source import Place
from craton.topology import Topology
from craton.values import Value

Known = Literal["declared", "found", "observed"]
Effect = Literal["transaction", "read", "loop", "call", "event", "database", "count"]
Traffic = Mapping[tuple[str, str], float]
"""How often one method asks another each time it runs, as recorded: by ("orders.quote", "catalog.product")."""


class Change(Value):
    """One thing that changes. `asking` and `asked` are methods ("orders.checkout"), modules or services.

    `effect` is what it is about: a saga's transactions, a read that is part of one, a loop that makes remote calls, a
    call, the delivery of an event, a database, or a count. `known` says from where: declared in contracts and
    topologies, found in the code, observed in recorded traffic; `calls` is how often, each time `asking` ran.
    """

    effect: Effect
    asking: str
    asked: tuple[str, ...]
    before: str
    after: str
    known: tuple[Known, ...]
    kind: str = ""
    file: str = ""
    line: int = 0
    calls: float | None = None
    hint: str = ""


@dataclass(frozen=True)
class Comparison:
    """Two topologies of one application, and what is known of its code and of its traffic."""

    application: Application
    old: Topology
    new: Topology
    code: Code
    implementations: Mapping[str, type]
    factories: Mapping[str, Factory]
    """Implementations, and what makes ASGI applications, whose code is not read."""
    traffic: Traffic

    @classmethod
    def of(cls, application: Application, old: Topology, new: Topology, *, traffic: Traffic) -> Comparison:
        """Load and read all implementations. Traffic of methods that are no more is left out."""
        every = implementations(application, [module.name for module in application.modules])
        kept = {name: every[name] for name in every if not application.module(name).asgi}
        made = cls(application, old, new, read(application, kept), kept, every, traffic)
        known = {pair: rate for pair, rate in traffic.items() if made.methods.keys() >= set(pair)}
        return cls(application, old, new, made.code, kept, every, known)

    @cached_property
    def methods(self) -> dict[str, Method]:
        """Every marked method by its full name, those that only implementations have included."""
        return {f"{name}.{m}": v for name, kind in self.implementations.items() for m, v in methods_of(kind).items()}

    @cached_property
    def needs(self) -> list[tuple[str, str]]:
        """Which module asks for which."""
        providers = {module.contract: module.name for module in self.application.modules}
        kinds = [(name, kind) for name, i in self.factories.items() for kind in needs_of(i).values()]
        return [(name, providers[kind]) for name, kind in kinds if kind in providers]

    def links(self, asking: str, asked: str) -> tuple[str, str]:
        """How one module, or one's method, reaches another, before and after."""
        pair = module_of(asking), module_of(asked)
        return self.old.link(*pair), self.new.link(*pair)

    def moves(self, asking: str, asked: str) -> bool:
        """Whether it reaches the other by another link than before."""
        before, after = self.links(asking, asked)
        return before != after

    def moved(self) -> list[Use]:
        """The uses that travel otherwise than before."""
        return [use for use in self.code.uses if self.moves(use.asking, use.asked)]

    def placed(self, change: Change, at: Place) -> Change:
        """A change with its place in the code, and what was observed of it."""
        rates = [self.traffic[change.asking, asked] for asked in change.asked if (change.asking, asked) in self.traffic]
        known: tuple[Known, ...] = (*change.known, "observed") if rates else change.known
        return msgspec.structs.replace(
            change, file=at.file, line=at.line, known=known, calls=max(rates, default=None),
        )

    def others(self, uses: Iterable[Use]) -> list[tuple[str, str, float]]:
        """What was observed to travel otherwise than before, and is none of these uses."""
        seen = {(use.asking, use.asked) for use in uses}
        return [
            (*pair, rate) for pair, rate in self.traffic.items() if pair not in seen and self.moves(*pair)
        ]


def module_of(name: str) -> str:
    """The module of a method's full name."""
    return name.partition(".")[0]

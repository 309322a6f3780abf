"""Calls that become remote or local, loops that make many of them, and events that are sent to another service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import get_args, get_origin

import msgspec

from craton.contract import Method, methods_of
from craton.lab.diff.change import Change, Comparison, module_of
from craton.lab.diff.code import Use
from craton.lab.diff.source import Place
from craton.values import Event


def calls(found: Comparison) -> Iterator[Change]:
    """Calls that travel otherwise than before: those in the code, others that were observed, and what is only declared:
    that a module asks for another."""
    moved = found.moved()
    for asking, asked, at in dict.fromkeys((use.asking, use.asked, use.at) for use in moved):
        kind = found.methods[asked].kind
        yield found.placed(Change("call", asking, (asked,), *found.links(asking, asked), ("found",), kind), at)
    others = found.others(moved)
    for asking, asked, rate in others:
        kind = found.methods[asked].kind
        yield Change("call", asking, (asked,), *found.links(asking, asked), ("observed",), kind, calls=rate)
    used = {use.modules for use in moved} | {(module_of(asking), module_of(asked)) for asking, asked, _ in others}
    for asking, asked in found.needs:
        if (asking, asked) not in used and found.moves(asking, asked):
            yield Change("call", asking, (asked,), *found.links(asking, asked), ("declared",))


def loops(found: Comparison) -> Iterator[Change]:
    """Loops whose calls travel otherwise than before, and what else was observed to be called many times a request."""
    looped: dict[tuple[str, Place, tuple[str, str]], list[Use]] = {}
    for use in found.moved():
        if use.loop is not None and use.how != "undo":
            looped.setdefault((use.asking, use.loop, found.links(*use.modules)), []).append(use)
    for (asking, loop, links), uses in looped.items():
        asked = tuple(dict.fromkeys(use.asked for use in uses))
        hint = instead(found, asked)
        yield found.placed(Change("loop", asking, asked, *links, ("found",), hint=hint), loop)
    written = Counter((use.asking, use.asked) for use in found.code.uses)
    for asking, name, rate in found.others(use for uses in looped.values() for use in uses):
        if rate > max(written[asking, name], 1):  # more often than it stands there
            links, hint = found.links(asking, name), instead(found, (name,))
            yield Change("loop", asking, (name,), *links, ("observed",), calls=rate, hint=hint)


def instead(found: Comparison, asked: tuple[str, ...]) -> str:
    """What asks for many at once: a query of the same contract, where it has one."""
    if any(found.methods[name].kind != "query" for name in asked):
        return "each item waits for the network in turn"
    hints = []
    for module in dict.fromkeys(map(module_of, asked)):
        methods = methods_of(found.application.module(module).contract).values()
        many = [f"{module}.{m.name}" for m in methods if takes_many(m) and f"{module}.{m.name}" not in asked]
        hints.append(f"{many[0]} takes many at once" if many else f"let a query of {module} take many at once")
    return "; ".join(hints)


def takes_many(method: Method) -> bool:
    """Whether it is a query that answers for several of what it is given."""
    given = [field.type for field in msgspec.structs.fields(method.arguments)]
    return method.kind == "query" and is_many(method.result) and any(is_many(kind) for kind in given)


def is_many(kind: object) -> bool:
    """Whether a type holds any number of items."""
    origin = get_origin(kind)
    return origin is frozenset or (origin is tuple and Ellipsis in get_args(kind))


def events(found: Comparison) -> Iterator[Change]:
    """Events whose delivery crosses from one service to another, and did not before; or the reverse."""
    for asking, event, asked in deliveries(found):
        published = [p for p in found.code.publications if p.event is event and module_of(p.asking) == asking]
        if not found.moves(asking, asked):
            continue
        links, methods = found.links(asking, asked), list(dict.fromkeys(p.asking for p in published))
        who = methods[0] if len(methods) == 1 else asking
        if published:
            change = Change("event", who, (asked,), *links, ("declared", "found"), kind=event.__name__)
            yield found.placed(change, published[0].at)
        else:
            yield Change("event", who, (asked,), *links, ("declared",), kind=event.__name__)


def deliveries(found: Comparison) -> Iterator[tuple[str, type[Event], str]]:
    """Which module sends which event to which subscriber."""
    heard = {event: None for _, method in found.application.methods() for event in (*method.on, *method.awaits)}
    for event in heard:
        for asking in publishers(found, event):
            for asked in found.application.subscribers(event):
                yield asking, event, asked


def publishers(found: Comparison, event: type[Event]) -> list[str]:
    """The modules that publish an event, or else the one in whose package it is declared."""
    seen = [module_of(p.asking) for p in found.code.publications if p.event is event]
    package = event.__module__.rpartition(".")[0]
    beside = [m.name for m in found.application.modules if m.contract.__module__.rpartition(".")[0] == package]
    return list(dict.fromkeys(seen)) or (beside if len(beside) == 1 else [])


def edges(found: Comparison) -> set[tuple[str, str]]:
    """Which module sends to which: calls and events."""
    return {*found.needs, *((asking, module_of(asked)) for asking, _, asked in deliveries(found))}

"""Sagas whose steps are grouped into other transactions than before, and reads that leave or join one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from msgspec.structs import replace

from craton.lab.diff.change import Change, Comparison
from craton.lab.diff.code import Use
from craton.topology import Topology

WITHIN = ("query", "command")
"""The kinds of methods that can be a part of a saga's own transaction."""


def transactions(found: Comparison) -> Iterator[Change]:
    """Sagas whose steps are grouped into transactions otherwise than before."""
    for name, steps in sagas(found).items():
        before, after = (written(found, steps, topology) for topology in (found.old, found.new))
        if before != after:
            asked, at = tuple(dict.fromkeys(step.asked for step in steps)), steps[0].at
            yield Change("transaction", name, asked, before, after, ("found",), "saga", at.file, at.line)


def sagas(found: Comparison) -> dict[str, list[Use]]:
    """The steps and pauses of each saga, in the order in which they are written."""
    steps: dict[str, list[Use]] = {}
    for use in found.code.uses:
        if use.how in ("step", "pause") and found.methods[use.asking].kind == "saga":
            steps.setdefault(use.asking, []).append(use)
    return steps


def merged(found: Comparison, step: Use, topology: Topology) -> bool:
    """Whether a step is part of its saga's own transaction."""
    return step.how == "step" and topology.link(*step.modules) == "local" and kind_of(found, step) in WITHIN


def written(found: Comparison, steps: list[Use], topology: Topology) -> str:
    """A saga's steps as people read them: "+" within a transaction, "|" between two, "…" where a loop begins again."""
    text, inside = "", False
    ordered = in_order(found, steps, topology)
    for loop, those in groupby(ordered, key=lambda step: step.loop):
        group = list(those)
        for step in group:
            now = merged(found, step, topology)
            text += (" + " if now and inside else " | ") + shown(found, step)
            inside = now
        if loop is not None:
            text += " + …" if all(merged(found, step, topology) for step in group) else " | …"
    return text.removeprefix(" | ")


def in_order(found: Comparison, steps: list[Use], topology: Topology) -> Iterator[Use]:
    """Steps as they are carried out: of those in one `gather`, the merged ones come first."""
    for together, those in groupby(steps, key=lambda step: step.gather):
        group = list(those)
        yield from group if together is None else sorted(group, key=lambda step: not merged(found, step, topology))


def shown(found: Comparison, step: Use) -> str:
    """A step: its method, with "*" where it is an effect, and "?" where it is not always done."""
    asking, asked = step.modules
    short = step.asked.partition(".")[2] if asking == asked else step.asked
    return short + ("*" if kind_of(found, step) == "effect" else "") + ("" if step.sure else "?")


def kind_of(found: Comparison, step: Use) -> str:
    """The kind of a step's method; that of a pause is "pause"."""
    return step.how if step.how == "pause" else found.methods[step.asked].kind


def reads(found: Comparison) -> Iterator[Change]:
    """Queries of other modules that are part of a saga's transaction before, or after, but not both."""
    told = set[tuple[str, str]]()
    for saga, steps in sagas(found).items():
        for step in steps:
            for use in asked_by(found, step):
                before, after = (inside(found, step, use, topology) for topology in (found.old, found.new))
                if before != after and (use.asking, use.asked) not in told:
                    told.add((use.asking, use.asked))
                    kept = ("inside", "outside") if before else ("outside", "inside")
                    change = Change("read", use.asking, (use.asked,), *kept, ("found",), "query")
                    yield found.placed(replace(change, hint=f"in saga {saga}"), use.at)


def asked_by(found: Comparison, step: Use) -> Iterator[Use]:
    """What a step reads of other modules: itself, where it is a query, or what its method asks."""
    for use in (step, *(use for use in found.code.uses if use.asking == step.asked and use.how == "call")):
        if kind_of(found, use) == "query" and use.modules[0] != use.modules[1]:
            yield use


def inside(found: Comparison, step: Use, use: Use, topology: Topology) -> bool:
    """Whether a read is part of the transaction that its step is merged into."""
    return merged(found, step, topology) and topology.link(step.modules[0], use.modules[1]) == "local"

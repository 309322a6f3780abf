"""Whether some order of requests that were made at once explains their answers, and what is there afterwards.

A request that others got in the way of may have been turned away without effect, may have seen the prices of a moment
ago, or have had to make room where, later, there was enough: `ways` lists how else than the model's one way it may have
gone. Whatever remains possible is kept: several worlds may look the same from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import combinations
from typing import Any

from tests.store.model import Op, Outcome, World

Way = Callable[[World], Outcome]
Shelves = tuple[dict[str, int], set[str]]
"""What the catalog says: prices, and what is no longer sold."""
CART = ("add", "set", "remove", "clear", "refresh", "merge")
DEAL = ("cancel", "ship", "refund", "resume")
PRICED = ("add", "set", "refresh", "buy")


def explanations(world: World, ops: Sequence[Op], answers: Sequence[Outcome]) -> Iterator[World]:
    """The worlds that can have come of it."""
    shelves = dict(world.prices), set(world.gone)

    def rest(now: World, left: tuple[int, ...]) -> Iterator[World]:
        if not left:
            yield now
        for index in left:
            for way in ways(now, ops[index], [op for op in ops if op is not ops[index]], shelves):
                then = deepcopy(now)
                if way(then) == answers[index]:
                    yield from rest(then, tuple(other for other in left if other != index))

    yield from rest(world, tuple(range(len(ops))))


def possible(worlds: Sequence[World], ops: Sequence[Op], answers: Sequence[Outcome], seen: Any) -> list[World]:
    """The worlds that can have come of it, and that look like this; each once."""
    found: dict[str, World] = {}
    for world in worlds:
        for after in explanations(world, ops, answers):
            if after.seen() == seen:
                found.setdefault(repr(after), after)
    return list(found.values())


def ways(world: World, op: Op, others: Sequence[Op], shelves: Shelves) -> Iterator[Way]:
    """How a request may have gone."""
    yield lambda then: then.apply(op)
    yield from (lambda then, fault=fault: fault for fault in turned_away(op, others))
    if op.kind in PRICED and shelves != (world.prices, world.gone):
        yield lambda then: before_the_change(then, op, shelves)
    if op.kind == "buy" and world.overdue() and any(other.kind == "buy" for other in others):
        yield lambda then: (then.expire_holds(op), then.apply(op))[1]
    if op.kind == "expire_orders":
        yield from (lambda then, kept=kept: expire_others(then, kept) for kept in in_other_hands(world, others))


def turned_away(op: Op, others: Sequence[Op]) -> Iterator[str]:
    """The faults by which a request gives way to others."""
    buyers = {other.who for other in others if other.kind == "buy"}
    if op.kind in (*CART, "buy") and buyers & ({op.who, "guest"} if op.kind == "merge" else {op.who}):
        yield "CartFrozen"
    if op.kind in ("buy", "adjust") and buyers:
        yield "InsufficientStock"
    if op.kind in DEAL and any(other.deal == op.deal or other.kind == "expire_orders" for other in others):
        yield "OrderBusy"


def before_the_change(world: World, op: Op, shelves: Shelves) -> Outcome:
    """What comes of a request that looked at the catalog just before it changed."""
    now = world.prices, world.gone
    world.prices, world.gone = shelves
    try:
        return world.apply(op)
    finally:
        world.prices, world.gone = now


def in_other_hands(world: World, others: Sequence[Op]) -> Iterator[tuple[str, ...]]:
    """Orders that a job may have found in the hands of others."""
    busy = sorted({op.deal for op in others if op.kind in DEAL} & world.deals.keys())
    for size in range(1, len(busy) + 1):
        yield from combinations(busy, size)


def expire_others(world: World, kept: tuple[str, ...]) -> Outcome:
    """What comes of the orders' job when it passes these over."""
    mine = {name: world.deals.pop(name) for name in kept}
    world.expire_orders(Op("expire_orders"))
    world.deals |= mine

"""Many customers at once, and many things that go wrong: two or three crashes, and lost, late and doubled messages."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from tests.crash.shop import STOCK, STRUCTURES, shown
from tests.crash.stage import Stage, Tables, rows
from tests.crash.world import Plan, World, simulate
from tests.sagas.shop import BANK, Order

CUSTOMERS: list[tuple[str, tuple[Any, ...]]] = [
    ("ann", ("a", 3, 50)), ("bob", ("a", 3, 50)), ("cid", ("a", 3, 500)), ("dan", ("a", 4, 50, "no")),
    ("eva", ("a", 4, 99)), ("fay", ("a", 5, 50)), ("ann", ("a", 3, 50)),
]
"""Each with a key, twice ann under the same; more is wanted than there is."""
METHODS = [
    "inventory.left", "inventory.reserve", "inventory.release", "payments.authorize", "payments.capture",
    "payments.void", "orders.checkout",
]
POINTS = {"monolith": 2500, "microservices": 4000, "orders+inventory": 3000, "orders+payments": 4000}
"""About how many points there are."""


async def crowd(world: World) -> list[object]:
    """All buy at once; each gets the same answer when he asks again."""
    answers = await asyncio.gather(*(world.ask("orders.checkout", *wanted, key=key) for key, wanted in CUSTOMERS))
    await world.settle()
    await world.deliver_late()
    await world.settle()
    again = [await world.ask("orders.checkout", *wanted, key=key) for key, wanted in CUSTOMERS]
    assert [shown(a) for a in answers] == [shown(a) for a in again]
    return answers


def audit(answers: list[object], tables: Tables) -> None:
    """Who was told that he has an order has it, and paid once for it; nobody else has, or paid, anything."""
    sold = {a.id: wanted[1] for (_, wanted), a in zip(CUSTOMERS, answers, strict=True) if isinstance(a, Order)}
    states = {row["id"]: row["state"] for row in tables["orders_order"]}
    assert set(states.values()) <= {"confirmed", "cancelled"}, states
    assert {order for order, state in states.items() if state == "confirmed"} == set(sold)
    assert {row["order"]: row["count"] for row in tables["inventory_held"]} == sold
    assert tables["inventory_stock"] == [{"sku": "a", "count": STOCK - sum(sold.values())}]
    done = Counter((what, order) for what, order, _ in BANK.books.values())
    assert {order for _, order in done} <= set(states)
    for order in states:
        assert done["capture", order] == (order in sold), (order, done)
        assert done["authorize", order] - done["void", order] == (order in sold), (order, done)
    inbox = [row for name, found in tables.items() if name.endswith("_inbox") for row in found]
    assert not [row for row in inbox if row["status"] == "running"], inbox
    assert {row["state"] for row in tables["orders_saga"]} <= {"done", "fault", "failed"}


def trouble(seed: int, points: int) -> Plan:
    """Crashes and fates by chance."""
    dice = random.Random(seed)
    kills = frozenset(dice.sample(range(1, points), dice.choice([1, 2, 2, 3])))
    astray = [(dice.choice(METHODS), dice.randint(1, 6)) for _ in range(dice.choice([0, 1, 3, 6]))]
    return Plan(kills, {request: dice.choice(["lost", "mute", "late", "twice"]) for request in astray})


def run_crowd(shop: Stage, structure: str, seed: int) -> None:
    """One run."""
    BANK.__init__()  # type: ignore[misc]
    BANK.silent = (0, 0, 3)[seed % 3]
    with shop.world(structure, trouble(seed, POINTS[structure])) as world:
        answers = simulate(world, lambda: crowd(world))
        audit(answers, rows(world.folder))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("seeds", [
    pytest.param(range(6), id="6 seeds"), pytest.param(range(1000, 1500), id="500 seeds", marks=pytest.mark.chaos),
])
def test_whatever_goes_wrong_money_and_stock_come_out_right(shop: Stage, structure: str, seeds: range) -> None:
    for seed in seeds:
        try:
            run_crowd(shop, structure, seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {trouble(seed, POINTS[structure])}") from error

"""The shop's checkout in a simulated world: its cases, one run, and what must hold after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from craton.errors import Failed
from tests.crash.stage import FRAMEWORK, Stage, Tables, rows
from tests.crash.world import Plan, Point, World, simulate
from tests.sagas.shop import BANK, shop

STOCK, RESTOCKED = 10, 1000
STRUCTURES: dict[str, list[tuple[str, ...]]] = {
    "monolith": [("orders", "inventory", "payments")],
    "microservices": [("orders",), ("inventory",), ("payments",)],
    "orders+inventory": [("orders", "inventory"), ("payments",)],
    "orders+payments": [("orders", "payments"), ("inventory",)],
}


@dataclass(frozen=True)
class Case:
    """A checkout of some pieces for some amount, how it may end, and how often the bank keeps silent at first."""

    arguments: tuple[Any, ...]
    ends: tuple[str, ...]
    silent: int = 0


CASES = {
    "ok": Case(("a", 2, 50), ("Order",)),
    "out of stock": Case(("a", 99, 50), ("OutOfStock",)),
    "declined at authorize": Case(("a", 2, 500), ("Declined",)),
    "refused after authorize": Case(("a", 2, 50, "no"), ("Refused",)),
    "declined at capture": Case(("a", 2, 99), ("Declined",)),
    "bank silent": Case(("a", 2, 50), ("Order",), silent=3),
}
LONG_SILENCE = Case(("a", 2, 50), ("Failed", "Order"), silent=40)
"""Longer than a saga's patience, unless a crash makes it begin anew."""


@dataclass(frozen=True)
class Outcome:
    """What a run has left: everything by which two runs are compared."""

    answer: tuple[str, str]
    state: Mapping[str, list[tuple[Any, ...]]]
    events: list[tuple[Any, ...]]
    books: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Ran:
    """One run: its outcome, and what it went through."""

    outcome: Outcome
    tables: Tables
    points: list[Point]
    commits: list[int]


def make_shop(root: Path) -> Stage:
    """The shop with its stock."""
    return Stage(root, shop, STRUCTURES, fill=lambda world: world.ask("inventory.restock", "a", STOCK, key=None))


def run(stage: Stage, structure: str, case: Case, plan: Plan | None = None, *, leaves: bool = False) -> Ran:
    """One checkout, in a world where things go wrong by plan; asked again when all is quiet.

    `leaves`: the client asks once, and leaves it at that; all must come to an end without him.
    """
    BANK.__init__()  # type: ignore[misc]
    BANK.silent = case.silent
    with stage.world(structure, plan) as world:
        answer = simulate(world, lambda: check_out(world, case, leaves=leaves))
        tables = rows(world.folder)
    ran = Ran(outcome_of(answer, tables), tables, world.points, world.commits)
    audit(ran, case, others=("Failed",) if plan and plan.fates else ())
    return ran


async def check_out(world: World, case: Case, *, leaves: bool) -> object:
    """Ask until there is an answer and all is quiet; let in what was late, when it could do harm; and ask again."""
    first = await world.ask("orders.checkout", *case.arguments, key="k", once=leaves)
    await world.settle()
    if first is None:
        audit_left(rows(world.folder))
    if world.late:
        BANK.limit = 1_000_000
        await world.ask("inventory.restock", "a", RESTOCKED, key="restock")
        await world.deliver_late()
        await world.settle()
    second = await world.ask("orders.checkout", *case.arguments, key="k")
    assert first is None or shown(first) == shown(second), f"first {first!r}, and under the same key {second!r}"
    return second


def shown(answer: object) -> tuple[str, str]:
    """An answer that can be compared. How a step failed before it was given up makes no difference."""
    return type(answer).__name__, "" if isinstance(answer, Failed) else str(answer)


def outcome_of(answer: object, tables: Tables) -> Outcome:
    """The outcome that the databases and the bank's books tell."""
    state = {n: sorted(tuple(r.values()) for r in found) for n, found in tables.items() if not n.endswith(FRAMEWORK)}
    return Outcome(shown(answer), state, events_in(tables), sorted(BANK.books.values()))


def events_in(tables: Tables) -> list[tuple[Any, ...]]:
    """The stored events of all modules, each with its number in its stream."""
    found, numbers = [], Counter[tuple[str, str]]()
    for name in (name for name in tables if name.endswith("_outbox")):
        for event in sorted(tables[name], key=lambda row: row["position"]):
            numbers[name, event["stream"]] += 1
            found.append((event["type"], event["stream"], numbers[name, event["stream"]], event["body"]))
    return sorted(found)


def audit(ran: Ran, case: Case, *, others: tuple[str, ...] = ()) -> None:
    """What must hold, whatever went wrong."""
    answer, state = ran.outcome.answer[0], ran.outcome.state
    confirmed, restocked = answer == "Order", BANK.limit > 100
    assert answer in (*case.ends, *others), answer
    assert [s for _, s in state["orders_order"]] == ["confirmed" if confirmed else "cancelled"], state
    taken = case.arguments[1] if confirmed else 0
    assert state["inventory_stock"] == [("a", STOCK + RESTOCKED * restocked - taken)], state
    assert sum(n for *_, n in state["inventory_held"]) == taken, state
    audit_bank(confirmed=confirmed)
    audit_framework(ran.tables, confirmed=confirmed)


def audit_left(tables: Tables) -> None:
    """What must hold when nobody asks again: all was done, or undone, or nothing has happened."""
    states = [row["state"] for row in tables["orders_order"]]
    held = sum(row["count"] for row in tables["inventory_held"])
    assert set(states) <= {"confirmed", "cancelled"}, states
    confirmed = "confirmed" in states
    assert (held > 0) == confirmed, (states, held)
    assert tables["inventory_stock"] == [{"sku": "a", "count": STOCK - held}], (tables["inventory_stock"], held)
    audit_bank(confirmed=confirmed)
    audit_framework(tables, confirmed=confirmed)


def audit_bank(*, confirmed: bool) -> None:
    """One capture for an order that is confirmed; every authorisation voided for one that is not."""
    done = [what for what, *_ in BANK.books.values()]
    assert done.count("capture") == confirmed, BANK.books
    assert done.count("authorize") - done.count("void") == confirmed, BANK.books


def audit_framework(tables: Tables, *, confirmed: bool) -> None:
    """No saga, no step and no effect is left in the air."""
    inbox = [row for name, found in tables.items() if name.endswith("_inbox") for row in found]
    assert not [row for row in inbox if row["status"] == "running"], inbox
    states = {row["state"] for row in tables["orders_saga"]}
    assert states <= ({"done"} if confirmed else {"fault", "failed"}), states
    for entry in tables["orders_journal"]:
        undone = {"undone", "fault"} if entry["undo"] else {"done", "fault", "failed"}
        assert entry["status"] in ({"done"} if confirmed else undone), entry


def always(method: str, fate: str, *, after: int = 0) -> dict[tuple[str, int], str]:
    """Fates for all requests for a method but the first few: for longer than a saga's patience."""
    return {(method, n): fate for n in range(after + 1, after + 61)}

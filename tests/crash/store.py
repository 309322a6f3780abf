"""The store's checkout in a simulated world; its payment provider runs as a process of its own, and never dies."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx
import msgspec
import stripe

from apps.store.application import store
from apps.store.catalog.contract import Draft
from apps.store.money import Money
from apps.store.orders.contract import Order
from apps.store.orders.events import Address
from apps.store.payments import stripe_provider, transport
from craton import Caller
from craton.testing.start import user
from tests.crash.shop import shown
from tests.crash.stage import FRAMEWORK, Stage, Tables, rows
from tests.crash.world import Plan, Point, World, simulate
from tests.store.audit import violations
from tests.store.ledgers import Ledgers, Row

MODULES = [module.name for module in store.modules]
STRUCTURES: dict[str, list[tuple[str, ...]]] = {
    "monolith": [tuple(MODULES)],
    "microservices": [(name,) for name in MODULES],
    "hybrid": [("catalog", "carts", "users"), ("orders", "inventory", "shipping"), ("payments",),
               ("notifications", "recommendations")],
}
ANN, ADMIN = Caller("guest:ann"), user("admin", "admin")
ADDRESS = Address(name="Ann", street="1 Main Street", city="Springfield", postcode="12345", country="US")
EMAIL = "ann@example.com"
NUMBERS, TIMES = count(1), ("at", "created", "placed", "held_until")
CHANCE = re.compile(r"\b(pi_|re_|ch_|secret=|[a-z]+-)[0-9a-f]{8,24}\b")
"""Ids, of ours and of the provider's, that are not the same in each run."""


@dataclass(frozen=True)
class Case:
    """A checkout with a card, how it ends, and what is done to the order then."""

    card: str = "pm_card_visa"
    scarce: bool = False
    answer: str = "Order"
    then: str = ""


CASES = {
    "ok": Case(),
    "out of stock": Case(scarce=True, answer="InsufficientStock"),
    "declined": Case("pm_card_chargeDeclined", answer="CardDeclined"),
    "authorization not answered": Case("pm_card_disconnectAfterAuthorize"),
    "capture not answered": Case("pm_card_disconnectAfterCharge"),
    "asked by the bank": Case("pm_card_threeDSecureRequired"),
    "resumed after the bank asked": Case("pm_card_threeDSecureRequired", then="resume"),
    "cancelled when paid": Case(then="cancel"),
}


class Blocking(transport.Transport):
    """Asks the provider while the loop, whose time is not the world's, stands still."""

    def __init__(self, *, timeout: float) -> None:
        stripe.HTTPClient.__init__(self)
        self.timeout = timeout

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=self.timeout)
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(method.upper(), target, body=post_data or None, headers=dict(headers))
            answer = connection.getresponse()
            return answer.read(), answer.status, dict(answer.getheaders())
        except (OSError, http.client.HTTPException) as error:
            raise stripe.APIConnectionError(repr(error)) from error  # type: ignore[no-untyped-call]
        finally:
            connection.close()

    async def close_async(self) -> None:
        pass


@contextmanager
def blocking() -> Iterator[None]:
    """The store asks its provider in the way that virtual time needs."""
    with patch.object(stripe_provider, "Transport", Blocking):
        yield


@dataclass(frozen=True)
class Outcome:
    """What a run has left, but for ids, times, and how often the provider was asked."""

    answer: str
    state: Mapping[str, list[str]]
    events: list[str]
    intents: list[str]


@dataclass(frozen=True)
class Ran:
    """One run."""

    outcome: Outcome
    points: list[Point]
    commits: list[int]


def make_store(root: Path) -> Stage:
    """The store, with a little in it."""
    with blocking():
        return Stage(root, store, STRUCTURES, fill=fill, environ={"CRATON_USERS_ARGON2_MEMORY": "64"})


async def fill(world: World) -> None:
    """Two products, of one of which there is only one piece, and Ann's cart."""
    for sku, stock in (("mug", 10), ("scarce", 1)):
        await world.ask("catalog.create", Draft(sku=sku, name=sku, price=Money(1250)), key=f"new {sku}", caller=ADMIN)
        await world.ask("inventory.restock", sku, stock, key=f"restock {sku}", caller=ADMIN)
    await world.ask("carts.add", "mug", 2, key="mugs", caller=ANN)


def run(stage: Stage, provider: str, structure: str, case: Case, plan: Plan | None = None) -> Ran:
    """One checkout, in a world where things go wrong by plan. `provider` is the URL of the payment provider."""
    number = next(NUMBERS)
    stage.environ = {"CRATON_USERS_ARGON2_MEMORY": "64", "CRATON_PAYMENTS_API_BASE": provider}
    with stage.world(structure, plan) as world, blocking():
        answer, order = simulate(world, lambda: check_out(world, case, provider=provider, key=f"buy {number}"))
        tables = rows(world.folder)
    books = httpx.get(f"{provider}/books", params={"order": order}, trust_env=False).json()
    ids = {intent["id"] for intent in books["intents"]}
    ledger = [entry for entry in books["ledger"] if entry["intent"] in ids]
    kept: dict[str, list[Row]] = {name: list(found) for name, found in tables.items()}
    found = violations(Ledgers(kept, books["intents"], ledger), quiet=True)
    assert not found, "\n".join(found)
    assert shown(answer)[0] == case.answer, answer
    return Ran(outcome_of(answer, order, tables, books["intents"]), world.points, world.commits)


async def check_out(world: World, case: Case, *, provider: str, key: str) -> tuple[object, str]:
    """Buy what is in the cart, and do what is to be done then; the same answers come when all is asked again."""
    if case.scarce:
        await world.ask("carts.add", "scarce", 2, key=f"{key} more", caller=ANN)
    cart = await world.ask("carts.mine", key=None, caller=ANN)
    buying = ("orders.checkout", cart.id, cart.version, case.card, EMAIL, ADDRESS)
    answer = await world.ask(*buying, key=key, caller=ANN)
    await world.settle()
    then: Any = None
    if case.then == "resume":
        agree(answer.action_url)
    if case.then:
        then = await world.ask(f"orders.{case.then}", answer.id, key=f"{key} {case.then}", caller=ANN)
        await world.settle()
        assert then == await world.ask(f"orders.{case.then}", answer.id, key=f"{key} {case.then}", caller=ANN)
    assert shown(answer) == shown(await world.ask(*buying, key=key, caller=ANN))
    placed = await world.ask("orders.mine", key=None, caller=ANN)
    return then or answer, placed.items[0].id if placed.items else ""


def agree(action_url: str) -> None:
    """What the customer does where her bank sends her."""
    httpx.post(action_url, data={"outcome": "succeed"}, trust_env=False).raise_for_status()


def outcome_of(answer: object, order: str, tables: Tables, intents: list[dict[str, Any]]) -> Outcome:
    """What is compared: all that is not chance."""
    def plain(value: object) -> str:
        text = json.dumps(without_times(value), sort_keys=True, default=str)
        return CHANCE.sub(r"\1", text.replace(order, "ORDER") if order else text)

    state = {n: sorted(plain(row) for row in found) for n, found in tables.items() if not n.endswith(FRAMEWORK)}
    stored = [row for name, found in tables.items() if name.endswith("_outbox") for row in found]
    events = sorted(plain([e["type"], e["stream"], e["sequences"], json.loads(e["body"])]) for e in stored)
    said = plain(msgspec.to_builtins(answer) if isinstance(answer, Order) else shown(answer))
    return Outcome(said, state, events, [plain(intent) for intent in intents])


def without_times(value: Any) -> Any:
    """The same, without what depends on when it was done."""
    if isinstance(value, Mapping):
        return {name: without_times(item) for name, item in value.items() if name not in TIMES}
    if isinstance(value, list | tuple):
        return [without_times(item) for item in value]
    return None if isinstance(value, float | datetime) else value

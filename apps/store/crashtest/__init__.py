"""What `craton crashtest apps.store` does with the store, and what must hold after it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from apps.store.crashtest.audit import Case, audit
from apps.store.crashtest.books import read_books
from apps.store.crashtest.customers import Customer
from apps.store.crashtest.wishes import Wish
from apps.store.importer import OWN, read_products
from craton import CallError
from craton.lab.crashtest import Scene

STOCK = {level.sku: level.on_hand for _, level in read_products(OWN)}
"""What there is of each product at first."""


def wishes(chance: random.Random) -> list[Wish]:
    """Three customers: one buys in three tabs at once under one key, and cancels; one's card is declined, and another
    one is not; one is challenged by the bank.
    """
    skus = chance.sample(sorted(STOCK), 3)
    plain = Wish(
        number=1, basket={skus[0]: 1, skus[1]: 1}, card="pm_card_visa", another_card=None, how="once", after="keep",
        hurry=5.0, wait=None,
    )
    return [
        replace(plain, how="three times at once", after="cancel"),
        replace(plain, number=2, card="pm_card_chargeDeclined", another_card="pm_card_visa"),
        replace(plain, number=3, card="pm_card_authenticationRequired", after="resume"),
    ]


async def scenario(scene: Scene) -> None:
    """They all buy at once, while the order book is built anew."""
    await asyncio.gather(visit(scene, wishes(scene.chance)), rebuild(scene))


async def rebuild(scene: Scene) -> None:
    """Ask for the order book to be built anew; whoever is asked may be struck just now."""
    with suppress(CallError):
        await scene.operator.rebuild("orders.book")


async def visit(scene: Scene, wishes: Sequence[Wish]) -> None:
    """New customers come, and do what they wish."""
    new = [Customer.of(wish, scene.url, seed=scene.trial, tally=Counter(), patience=50) for wish in wishes]
    scene.history += new
    await asyncio.gather(*(use(customer) for customer in new))


async def use(customer: Customer) -> None:
    """All that one customer does."""
    await customer.fill_cart()
    await customer.buy()
    refused = await customer.reuse_key()
    assert refused.fault == "key-reused", refused


async def invariants(scene: Scene) -> list[str]:
    """What is wrong: each asks for everything again, and is answered as before; and the books are audited."""
    new = [customer for customer in scene.history if customer.seed == scene.trial]
    findings: list[str] = []
    await asyncio.gather(*(customer.look() for customer in new), *(customer.repeat(findings) for customer in new))
    findings += [finding for customer in new for finding in got_what_it_wanted(customer)]
    return findings + audit(Case(await read_books(scene.processes), scene.history, STOCK))


def got_what_it_wanted(customer: Customer) -> Iterator[str]:
    """Nothing that befalls the store may keep a customer from buying: in the end there is an order, as was wished."""
    found = Counter(order["status"] for order in customer.orders)
    wanted = {"cancelled"} if customer.wish.after == "cancel" else {"paid", "shipped"}
    if sum(found[status] for status in wanted) != 1:
        yield f"{customer.subject} (wish {customer.wish.number}) has orders {dict(found)}: {customer.deeds}"

"""The audit can fail: a store that charges, then ships, and writes down only what it has done, breaks S2 and S4."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio

from apps.store.inventory.contract import InsufficientStock
from apps.store.naive.application import naive
from apps.store.orders.contract import PriceChanged
from craton import CallError
from craton.testing.start import calling
from tests.store.audit import audit
from tests.store.conftest import quick_folder
from tests.store.shop import ADDRESS, EMAIL, Person, Shop, Structure, open_shop, until
from tests.store.test_prices import reprice
from tests.store.unit_simulation import simulated

pytestmark = pytest.mark.asyncio(loop_scope="session")
PLACES = [Structure("monolith"), Structure("microservices", "wire")]


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=PLACES, ids=str)
async def shop(request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """The naive store."""
    with quick_folder() as folder, simulated(folder / "provider") as provider:
        async with open_shop(
            request.param, provider=provider.url, data=folder, application=naive,
            settings={"CRATON_PAYMENTS_TIMEOUT": "3"},  # on a busy machine, too, there is a fine day
        ) as shop:
            yield shop


async def attempt(shop: Shop, person: Person, *skus: str, key: str) -> None:
    """Try to buy; what came of it the audit will tell."""
    cart = await person.ask(shop.carts.mine) if not skus else await person.fill(*skus)
    with calling(caller=person.caller, key=key, timeout=1.0), suppress(CallError, InsufficientStock, PriceChanged):
        await shop.orders.checkout(cart.id, cart.version, "pm_card_visa", EMAIL, ADDRESS)


async def broken(shop: Shop, *, quiet: bool = True) -> set[str]:
    """The invariants that were broken since the last look."""
    found = set(await audit(shop.running, provider=shop.bank.url, quiet=quiet)) - shop.faults
    shop.faults |= found
    return {line.partition(":")[0] for line in found}


async def breaks(shop: Shop, invariant: str, *, quiet: bool = True) -> None:
    """Return when an invariant is broken: what was asked may still be under way."""
    async def is_broken() -> bool:
        return invariant in await broken(shop, quiet=quiet)

    await until(is_broken)


async def test_on_a_fine_day_the_naive_store_sells_too(shop: Shop) -> None:
    assert (await shop.customer().order_of(await shop.product())).status == "paid"
    await shop.settled()
    assert await broken(shop) == set()  # so it is not what the audit does not know that it finds below


async def test_it_keeps_the_money_of_those_who_came_too_late(shop: Shop) -> None:
    sku = await shop.product(stock=1)
    await asyncio.gather(*(attempt(shop, shop.customer(), sku, key=f"late-{n}") for n in range(2)))
    await breaks(shop, "S2")


async def test_it_charges_for_orders_that_it_then_does_not_make(shop: Shop) -> None:
    sku, ann = await shop.product(), shop.customer()
    await ann.fill(sku)
    await reprice(shop, sku, 2000)
    await attempt(shop, ann, key="too-early")
    await breaks(shop, "S4")


async def test_it_charges_twice_when_an_answer_is_lost(shop: Shop) -> None:
    ann = shop.customer()
    await shop.bank.control(next=[["capture", "disconnect_after"]])
    await attempt(shop, ann, await shop.product(), key="lost")
    await breaks(shop, "S2")


async def test_it_forgets_a_charge_when_it_stops_before_writing_it_down(shop: Shop) -> None:
    ann, home = shop.customer(), shop.home_of("payments")
    await shop.bank.control(next=[["capture", "timeout_after"]])
    buying = asyncio.create_task(attempt(shop, ann, await shop.product(), key="stopped"))
    await asyncio.sleep(0.3)
    await shop.running.close(home)
    await buying
    await shop.running.open(home)
    shop.connect(shop.running)
    await breaks(shop, "S2", quiet=False)

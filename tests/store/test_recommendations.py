"""Suggestions: learned from what was bought, left out where they cannot be had; in every structure."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.store.application import store
from apps.store.recommendations.contract import Recommendations
from craton import Application
from tests.store.conftest import quick_folder
from tests.store.shop import Shop, Structure, everywhere, open_shop
from tests.store.unit_simulation import simulated

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def also_bought(shop: Shop, *skus: str, limit: int = 50) -> dict[str, int]:
    """What is bought with products, and how often; not what is only popular."""
    await shop.settled()
    found = await shop.guest().ask(shop.running.get(Recommendations).also_bought, skus, limit)
    assert not {one.sku for one in found} & set(skus)
    return {one.sku: one.score for one in found if one.reason == "also bought"}


async def popular(shop: Shop) -> list[str]:
    """What sells best."""
    await shop.settled()
    found = await shop.guest().ask(shop.running.get(Recommendations).also_bought, (), 50)
    assert {one.reason for one in found} <= {"popular"}  # nothing can be bought together with nothing
    return [one.sku for one in found]


@everywhere
async def test_what_was_bought_together_is_suggested_together(shop: Shop) -> None:
    mug, pot, cup = [await shop.product(stock=50) for _ in range(3)]
    for skus in ((mug, pot), (mug, pot), (mug, cup)):
        await shop.customer().order_of(*skus)
    assert await also_bought(shop, mug) == {pot: 2, cup: 1}
    assert await also_bought(shop, mug, pot) == {cup: 1}
    ann = shop.customer()
    await ann.fill(mug)
    assert [product.sku for product in await ann.ask(shop.carts.suggestions, 2)] == [pot, cup]
    await shop.check()


async def test_an_order_that_was_not_paid_teaches_nothing(shop: Shop) -> None:
    mug, pot = await shop.product(), await shop.product()
    await shop.customer().order_of(mug, pot, card="pm_card_authenticationRequired")
    assert await also_bought(shop, mug) == {}


@everywhere
async def test_what_cannot_be_bought_is_not_suggested(shop: Shop) -> None:
    mug, gone, scarce = await shop.product(stock=50), await shop.product(stock=50), await shop.product(stock=3)
    order = await shop.customer().order_of(mug, gone, scarce)
    assert await also_bought(shop, mug) == {gone: 1, scarce: 1}
    await shop.admin.ask(shop.catalog.discontinue, gone, 1)
    last = await shop.customer().order_of(scarce, quantity=2)
    assert await also_bought(shop, mug) == {}
    await shop.admin.ask(shop.orders.cancel, last.id)
    assert await also_bought(shop, mug) == {scarce: 1}
    await shop.admin.ask(shop.inventory.adjust, scarce, -2)
    assert scarce not in {*await also_bought(shop, mug), *await popular(shop)}
    await shop.admin.ask(shop.inventory.restock, scarce, 1)
    assert await also_bought(shop, mug) == {scarce: 1}
    assert gone not in await popular(shop)
    assert order.status == "paid"
    await shop.check()


async def test_what_sells_best_fills_the_list(shop: Shop) -> None:
    best, mug = await shop.product(stock=99, price=1), await shop.product()
    await shop.customer().order_of(best, quantity=99)
    await shop.admin.ask(shop.inventory.restock, best, 1)
    assert (await popular(shop))[0] == best
    found = await shop.guest().ask(shop.running.get(Recommendations).also_bought, (mug,), 1)
    assert [(one.sku, one.reason) for one in found] == [(best, "popular")]


async def everyday_life(shop: Shop) -> None:
    """A shop without recommendations does all that one with them does."""
    mug, ann = await shop.product(), shop.customer()
    cart = await ann.fill(mug)
    assert await ann.ask(shop.carts.suggestions) == ()
    order = await ann.buy(cart)
    assert (await shop.admin.ask(shop.orders.ship, order.id)).status == "shipped"
    async with shop.browser(ann) as http:
        assert (await http.get("/cart/suggestions")).json() == []


@pytest.mark.parametrize("topology", ["monolith", "microservices"])
async def test_a_store_without_recommendations_sells(topology: str) -> None:
    without = Application("store", [module for module in store.modules if module.name != "recommendations"])
    with quick_folder() as folder, simulated(folder / "provider") as provider:
        async with open_shop(Structure(topology), provider=provider.url, data=folder, application=without) as shop:
            await everyday_life(shop)


async def test_a_store_sells_while_recommendations_are_away_and_they_learn_of_it_later(tmp_path: Path) -> None:
    with simulated(tmp_path / "provider") as provider:
        async with open_shop(Structure("microservices"), provider=provider.url, data=tmp_path) as shop:
            mug, pot = await shop.product(stock=50), await shop.product(stock=50)
            await shop.running.close("recommendations")
            await everyday_life(shop)
            await shop.customer().order_of(mug, pot)
            await shop.running.open("recommendations")
            assert await also_bought(shop, mug) == {pot: 1}
            await shop.check(webhooks=True)

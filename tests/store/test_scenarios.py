"""What customers of the shop do for `craton compare` can be done in each structure, for as long as it takes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from urllib.request import Request, urlopen

import pytest

from apps.store.importer import OWN, admin_token, read_products
from apps.store.scenarios import CURRENCIES, PRODUCTS, Turned, add_to_cart, checkout, lead, place_of, product, shopping
from apps.store.storefront.currencies import CURRENCIES as KNOWN
from craton.lab.load.generator import Generator
from craton.lab.load.site import Answer
from craton.lab.load.visitor import visit
from craton.testing.processes import Processes, start_processes

FIRST = 1_000_000


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**shopping.settings, "CRATON_EDGE_RATE": "100000", "CRATON_EDGE_BURST": "100000"}.items():
        monkeypatch.setenv(name, value)


def stock(store: Processes) -> dict[str, int]:
    """What there is of each product, as administrators see it."""
    token = admin_token(store.plan.folder.secret().decode())
    asked = Request(f"{store.url}/admin/stock", headers={"Authorization": f"Bearer {token}"})
    with urlopen(asked, timeout=20) as answer:
        return {line["sku"]: line["on_hand"] for line in json.load(answer)}


@pytest.mark.parametrize("topology", ["monolith", pytest.param("microservices", marks=pytest.mark.chaos)])
async def test_everything_that_customers_do_succeeds_and_stock_lasts(topology: str) -> None:
    async with start_processes("apps.store", topology=topology) as store:
        async with Generator("apps.store.scenarios:shopping", store.url, limit=30) as generator:
            load = await generator.open(rate=15, seconds=4, seed=2)
        left = stock(store)
    assert load.errors() == {}
    assert load.done() == load.due > 40
    assert set(load.actions) == set(shopping.names)
    assert load.requests >= load.due
    assert left.keys() == set(PRODUCTS)
    assert FIRST * 0.999 < min(left.values()) < FIRST


async def test_a_customer_buys_what_is_in_the_cart_or_takes_something_first() -> None:
    async with start_processes("apps.store", topology="monolith") as store, visit(store.url, seed=1) as customer:
        await checkout(customer)
        assert customer.requests >= 2
        await add_to_cart(customer)
        await add_to_cart(customer)
        before, requests = stock(store), customer.requests
        await checkout(customer)
        assert customer.requests >= requests + 1  # more where the shop asks to wait
        assert sum(before.values()) > sum(stock(store).values())
        await product(customer)
        assert set(customer.cookies) == {"shop_session-id"}


@pytest.mark.chaos
async def test_a_customer_waits_for_an_order_that_takes_longer() -> None:
    async with start_processes("apps.store", topology="monolith") as store, visit(store.url, seed=1) as customer:
        await add_to_cart(customer)
        pid = store.children["provider"].pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(2.5, os.kill, pid, signal.SIGCONT)  # a page tells after 1.5 s
        await checkout(customer)
        assert customer.requests > 3


def test_whom_the_shop_sends_elsewhere_has_not_bought() -> None:
    answer = Answer()
    answer.headers = {"location": "/cart?note=stock"}
    with pytest.raises(Turned, match="to /cart"):
        lead(place_of(answer), "/order/")
    lead(place_of(answer), "/cart")


def test_customers_choose_among_all_that_the_shop_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(PRODUCTS) == {draft.sku for draft, _ in read_products(OWN)}
    assert len(PRODUCTS) > 50
    assert set(CURRENCIES) <= set(KNOWN)
    assert {level.on_hand for _, level in read_products(OWN)} == {FIRST}
    monkeypatch.delenv("STORE_STOCK")
    assert len({level.on_hand for _, level in read_products(OWN)}) > 10


def test_the_mix_is_that_of_online_boutique() -> None:
    mix = {action.__name__: weight for action, weight in shopping.mix.items()}
    assert mix == {"index": 1, "currency": 2, "product": 10, "add_to_cart": 2, "view_cart": 3, "checkout": 1}

"""The shop's pages while services are away or do not answer, how often they ask other services, and slow checkouts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from apps.store.catalog.contract import Description
from craton.calls.links.wire import WireLink
from tests.store.conftest import quick_folder
from tests.store.shop import Shop, Structure, open_shop
from tests.store.unit_simulation import simulated
from tests.store.visitor import WHERETO, Page, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")
WAIT = "0.3"
"""Seconds until a checkout is shown on a page of its own, instead of 1.5."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> AsyncIterator[Shop]:
    """A store in as many services as there are modules, any of which can be stopped."""
    with quick_folder() as folder, simulated(folder / "provider") as provider:
        settings = {"CRATON_STOREFRONT_PATIENCE": "0.1", "CRATON_STOREFRONT_WAIT": WAIT}
        structure = Structure("microservices")
        async with open_shop(structure, provider=provider.url, data=folder, settings=settings) as shop:
            yield shop
            await shop.check(webhooks=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def products(shop: Shop) -> tuple[str, str]:
    """Two products, which were bought together."""
    mug, pot = await shop.product(stock=90), await shop.product(stock=90)
    described = Description("Mug", categories=("kitchen",))
    await shop.admin.ask(shop.catalog.update, mug, described, 1)
    await shop.customer().order_of(mug, pot)
    await shop.settled()
    return mug, pot


class Away:
    """A service that is stopped for a while: `async with Away(shop, "carts")`; or that is silent."""

    def __init__(self, shop: Shop, service: str, *, silent: bool = False) -> None:
        self.shop, self.service, self.silent = shop, service, silent

    async def __aenter__(self) -> None:
        process = self.shop.running.processes[self.service]
        if self.silent:
            self.handler, process.handler = process.handler, never  # type: ignore[assignment]
        else:
            await self.shop.running.close(self.service)

    async def __aexit__(self, *error: object) -> None:
        if self.silent:
            self.shop.running.processes[self.service].handler = self.handler
        else:
            await self.shop.running.open(self.service)
            self.shop.connect(self.shop.running)


async def never(request: object) -> None:
    """No answer."""
    await asyncio.Event().wait()


LOST = {
    "recommendations": {"/": "#popular", "/product/{mug}": "#related", "/cart": "#suggested"},
    "inventory": {"/": "", "/product/{mug}": ".stock.good", "/cart": "", "/category/kitchen": ""},
    "carts": {"/": ".count", "/product/{mug}": ".count", "/search?q=sku": ".count"},
    "catalog": {"/cart": ".categories", "/login": ".categories", "/account": ".categories"},
    "users": {"/": "", "/account": "", "/checkout": "", "/cart": ""},
    "shipping": {"/": "", "/cart": "", "/account": ""},
}
"""What is lost of pages while a service is away."""


@pytest.mark.parametrize(("service", "silent"), [
    *((service, False) for service in LOST), ("recommendations", True), ("inventory", True), ("carts", True),
])
async def test_a_page_is_served_without_what_it_can_do_without(
    shop: Shop, products: tuple[str, str], service: str, silent: bool
) -> None:
    mug, lost = products[0], LOST[service]
    async with Visitor(shop) as ann:
        await ann.add(mug)
        for path, part in lost.items():
            page = await ann.look(path.format(mug=mug))
            assert not part or page.all(part), f"{path} has no {part}, ever: {page.text}"
        async with Away(shop, service, silent=silent):
            for path, part in lost.items():
                page = await ann.look(path.format(mug=mug))
                assert page.status == 200 and page.all("h1"), f"{path}: {page.text}"
                assert not part or not page.all(part), f"{path}: {page.text}"


@pytest.mark.parametrize(("service", "path"), [
    ("catalog", "/"), ("catalog", "/search?q=mug"), ("catalog", "/product/mug"), ("carts", "/cart"),
    ("orders", "/checkout"), ("shipping", "/checkout"), ("orders", "/account"),
])
async def test_what_a_page_cannot_do_without_is_told_kindly(
    shop: Shop, products: tuple[str, str], service: str, path: str
) -> None:
    async with Visitor(shop) as ann:
        await ann.add(products[0])
        async with Away(shop, service):
            page = await ann.look(path)
            assert page.status == 503 and int(page.answer.headers["Retry-After"]) > 0
            assert page.said("h1") == "Back in a moment"
            assert page.one(".empty a.button").attributes["href"] == path
        assert (await ann.look(path)).status in (200, 404)


async def test_what_could_not_be_done_is_done_by_sending_it_again(shop: Shop, products: tuple[str, str]) -> None:
    mug, pot = products
    async with Visitor(shop) as ann:
        await ann.add(mug)
        product = await ann.look(f"/product/{pot}")
        async with Away(shop, "carts"):
            sorry = await ann.send(product, "/cart", quantity="2")
            assert sorry.status == 503
        again = sorry.one("main form")
        fields = {node.attributes["name"] or "": node.attributes["value"] or "" for node in again.css("input")}
        assert fields == {**product.form("/cart"), "quantity": "2"}
        await ann.post("/cart", fields)
        assert (await ann.post("/cart", fields)).said(".count") == "3 in it"


async def test_who_comes_for_the_first_time_can_buy_without_users(shop: Shop, products: tuple[str, str]) -> None:
    async with Away(shop, "users"), Visitor(shop) as new, Visitor(shop) as other:
        for visitor in (new, other):
            await visitor.add(products[0])
        await new.add(products[1])
        counts = [(await visitor.look("/cart")).said(".count") for visitor in (new, other)]
        assert counts == ["2 in it", "1 in it"]
        checkout = await new.look("/checkout")
        assert checkout.status == 200 and checkout.all('form[action="/cart/checkout"]')


async def test_a_sign_in_succeeds_while_the_cart_cannot_be_taken_along(shop: Shop, products: tuple[str, str]) -> None:
    async with Visitor(shop) as ann:
        await ann.add(products[0])
        form = {"email": "eve@example.com", "password": "correct horse"}
        async with Away(shop, "carts"):
            page = await ann.send(await ann.look("/register"), "/register", **form)
        assert page.path == "/account?note=not-merged" and "could not be taken along" in page.said(".note")


async def followed(ann: Visitor, page: Page) -> Page:
    """What becomes of the page of a checkout that takes longer."""
    assert page.path.startswith("/checkout/") and page.all("#state[data-follow]"), page.text
    assert page.answer.text.count('<noscript><meta http-equiv="refresh"') == 1
    return await ann.follow(page)


async def bought(ann: Visitor, **more: str) -> Page:
    """What the checkout shows at first."""
    return await ann.send(await ann.look("/checkout"), "/cart/checkout", **(WHERETO | more))


async def test_a_slow_checkout_is_followed_until_the_order_is_paid(shop: Shop, products: tuple[str, str]) -> None:
    async with Visitor(shop) as ann:
        await ann.add(products[0])
        async with Away(shop, "inventory"):
            page = await bought(ann)
            assert page.said("h1") == "Your order is being placed"
            assert (await ann.look(page.path)).said("h1") == "Your order is being placed"
        order = await followed(ann, page)
        assert order.path.startswith("/order/") and "Paid" in order.said(".status")


async def test_a_slow_checkout_that_fails_says_why(shop: Shop, products: tuple[str, str]) -> None:
    async with Visitor(shop) as ann:
        await ann.add(products[0])
        async with Away(shop, "inventory"):
            page = await bought(ann, card="pm_card_chargeDeclined", city="Oslo")
        failed = await followed(ann, page)
        assert "The card was declined" in failed.said(".note.bad")
        form = (await ann.look("/checkout")).form("/cart/checkout")
        assert (form["city"], form["email"]) == ("Oslo", WHERETO["email"])


MOST = {"/": 8, "/search?q=sku": 4, "/product/{mug}": 7, "/cart": 6, "/checkout": 6, "/account": 4, "/login": 2}
"""Calls to other services that a page may make, however much stands on it."""


async def test_no_page_asks_once_for_each_thing_on_it(
    shop: Shop, products: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, send = Counter[str](), WireLink.send

    async def counted(self: WireLink, request: Any) -> Any:
        asked[request.method] += 1
        return await send(self, request)

    async with Visitor(shop) as ann:
        for sku in [*products, *[await shop.product() for _ in range(3)]]:
            await ann.add(sku)
        await shop.quiet(webhooks=True)  # so that what others did before is not counted
        monkeypatch.setattr(WireLink, "send", counted)
        for path, most in MOST.items():
            asked.clear()
            assert (await ann.look(path.format(mug=products[0]))).status == 200
            assert asked.total() <= most, f"{path}: {dict(asked)}"

"""The shop in a browser: accessible on every page, wide and narrow, light and dark; and what JavaScript adds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from apps.store.catalog.contract import Draft
from apps.store.money import Money
from craton.edge.server import serve_http
from tests.browser import Seat, Tour
from tests.store.shop import STRUCTURES, Shop
from tests.store.visitor import WHERETO

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"), pytest.mark.parametrize("shop", STRUCTURES[:1], ids=str, indirect=True),
]


@pytest_asyncio.fixture(loop_scope="session")
async def seat(shop: Shop, browser: Browser) -> AsyncIterator[Seat]:
    """The browser, and the shop served for it."""
    async with serve_http(shop.edge, "127.0.0.1:0", drain=1) as port:
        yield Seat(browser, f"http://127.0.0.1:{port}")


async def stock_up(shop: Shop) -> tuple[str, ...]:
    """Products as the shop has them: one that is plain, one that is scarce, one that is sold out."""
    found = []
    for sku, kind, left in (("mug-enamel", "kitchen", 40), ("lamp-desk", "home", 3), ("shirt-linen", "clothing", 0)):
        sku = f"{sku}-{await shop.product()}"
        name = sku.replace("-", " ").capitalize()
        text = "Made by hand in small batches, and meant to be used every day for a long time."
        draft = Draft(sku, name, Money(2450), text, "Brae & Co", (kind,))
        await shop.admin.ask(shop.catalog.create, draft)
        await shop.admin.ask(shop.inventory.restock, sku, left + 1)
        await shop.admin.ask(shop.inventory.adjust, sku, -1)
        found.append(sku)
    return tuple(found)


async def fill_in(page: Page, **more: str) -> None:
    """The checkout's form."""
    for name, text in {**WHERETO, **more}.items():
        if name != "country":  # which would have the page made anew, with shipping to there
            await page.fill(f"[name={name}]", text)


async def test_axe_finds_nothing_on_any_page_of_a_visit(shop: Shop, seat: Seat) -> None:
    mug, lamp, shirt = await stock_up(shop)
    async with seat.sits(bypass=True) as page:
        tour = Tour(page)
        for name, path in {
            "home": "/", "category": "/category/kitchen", "search": "/search?q=mug", "nothing": "/search?q=xyzzy",
            "product": f"/product/{mug}", "scarce": f"/product/{lamp}", "sold-out": f"/product/{shirt}",
            "sign-in": "/login", "register": "/register", "cart-empty": "/cart",
        }.items():
            await tour.see(name, path)
        await tour.see("not-found", "/nothing/here", status=404)
        for sku in (mug, lamp):
            await page.goto(f"/product/{sku}")
            await page.click(".buy button")
        await tour.see("cart")
        await tour.see("checkout", "/checkout")
        await fill_in(page, email="none@nowhere", city=" ")
        await page.eval_on_selector(".checkout", "form => { form.noValidate = true; }")
        await page.click(".summary button")
        await tour.see("checkout-wrong")
        await fill_in(page)
        await page.click(".summary button")
        await page.wait_for_url("**/order/*")
        await tour.see("order")
        await tour.see("history", "/account")
        tour.check()
    await shop.check()


async def test_axe_finds_nothing_on_the_desk(shop: Shop, seat: Seat) -> None:
    mug, *_ = await stock_up(shop)
    order = await shop.customer().order_of(mug)
    await shop.settled()
    async with seat.sits(bypass=True) as page:
        tour = Tour(page)
        await page.goto("/login?back=/manage")
        await page.fill("[name=email]", "admin@store.example")
        await page.fill("[name=password]", "correct horse battery")
        await page.click("main button")
        for name, path in {
            "": "", "-products": "/products", "-product": f"/products/{mug}", "-product-new": "/products/new",
            "-stock": "/stock", "-orders": "/orders", "-order": f"/orders/{order.id}", "-shipments": "/shipments",
            "-sagas": "/sagas",
        }.items():
            await tour.see(f"desk{name}", f"/manage{path}")
        await page.goto(f"/manage/products/{mug}")
        await shop.admin.ask(shop.catalog.change_price, mug, Money(2600), 1)
        await page.fill("[name=name]", "Another mug")
        await page.click("form[aria-labelledby=about] button")
        await tour.see("desk-stale")
        tour.check()


async def test_a_guest_buys_with_javascript_and_sees_the_order_go_on_by_itself(shop: Shop, seat: Seat) -> None:
    mug, *_ = await stock_up(shop)
    async with seat.sits(look="narrow-light") as page:
        await page.goto(f"/product/{mug}")
        await page.click(".buy button")
        await page.fill("#quantity-1", "2")
        await page.press("#quantity-1", "Tab")  # a choice takes effect at once
        await page.wait_for_url("**/cart?note=changed")
        assert await page.inner_text(".summary .sum dd") == "$49.00"
        await page.click("text=To the checkout")
        await fill_in(page)
        await page.check("[value=pm_card_authenticationRequired]")
        await page.click(".summary button")
        await page.wait_for_url("**/order/*")
        await page.wait_for_selector(".status.stock_confirmed")
        bank = await page.get_attribute("a[rel=external]", "href")
        id = page.url.rpartition("/")[2].partition("?")[0]
        assert bank
        await shop.bank.decide(bank)
        await page.evaluate("() => { window.sameDocument = true; }")
        async with seat.browser.contexts[-1].expect_page() as opened:
            await page.evaluate("() => { window.open(location.href); }")
        other = await opened.value
        await other.click("text=I have been there")
        await page.wait_for_selector(".status.paid")
        assert await page.evaluate("() => window.sameDocument")  # what is new came without a new page
        assert "Paid" in await page.inner_text(".status") and await shop.bank.net(id) > 0
    await shop.check()


async def test_a_second_click_on_a_button_sends_nothing_more(shop: Shop, seat: Seat) -> None:
    mug, *_ = await stock_up(shop)
    async with seat.sits() as page:
        sent: list[Any] = []
        page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
        await page.goto(f"/product/{mug}")
        await page.evaluate("""() => { const b = document.querySelector('.buy button'); b.click(); b.click(); }""")
        await page.wait_for_url("**/cart?note=added")
        assert len(sent) == 1 and await page.text_content(".count") == "1 in it"

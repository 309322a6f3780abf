"""The shop in a browser: accessible on every page, wide and narrow, light and dark; and what JavaScript adds."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from apps.store.catalog.contract import Draft
from apps.store.money import Money
from craton.edge.server import serve_http
from tests.store.shop import STRUCTURES, Shop
from tests.store.visitor import WHERETO

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"), pytest.mark.parametrize("shop", STRUCTURES[:1], ids=str, indirect=True),
]
AXE = Path(__file__).parents[1] / "node/node_modules/axe-core/axe.min.js"
QUIETLY = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)
SHOTS = os.environ.get("CRATON_SHOTS")
"""A folder for pictures of the pages, for people to look at."""
LOOKS: dict[str, tuple[int, Literal["light", "dark"]]] = {
    "wide-light": (1280, "light"), "narrow-dark": (375, "dark"), "narrow-light": (375, "light"),
    "wide-dark": (1280, "dark"),
}
LOOKED_AT = list(LOOKS.items())[:4 if SHOTS else 2]
"""Each width and each colour; in all combinations where pictures are made."""
CHECK = """async only => (await axe.run({runOnly: only})).violations.map(one => [one.id, one.help, ...one.nodes.map(
    node => node.html.slice(0, 200) + " " + node.any.concat(node.all).map(check => check.message).join("; ")
)].join(" | "))"""
ALL = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
OF_LOOKS = ("color-contrast", "target-size", "scrollable-region-focusable")
"""What a page that is right on one screen may have wrong on another."""


@dataclass(slots=True)
class Seat:
    """A browser in front of the shop."""

    browser: Browser
    url: str

    @asynccontextmanager
    async def sits(self, look: str = "wide-light") -> AsyncIterator[Page]:
        """Somebody new, on a screen of some width and colour."""
        width, colour = LOOKS[look]
        context = await self.browser.new_context(
            base_url=self.url, viewport={"width": width, "height": 800}, color_scheme=colour, reduced_motion="reduce",
            bypass_csp=True,  # for axe alone: that the pages' own policy holds is tested by their headers
        )
        try:
            yield await context.new_page()
        finally:
            await context.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, once for all tests."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "there is no chromium: run scripts/system"
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=found, args=[*QUIETLY])
        yield browser
        await browser.close()


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


async def faults_of(page: Page, look: str, name: str, *, only: Sequence[str]) -> list[str]:
    """What axe finds on the page that is shown, and whether it is wider than the screen."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.add_script_tag(path=AXE)
    found: list[str] = await page.evaluate(CHECK, only)
    if await page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
        found.append("the page is wider than the screen")
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}-{look}.png", full_page=True)
    return [f"{name} ({look}): {one}" for one in found]


class Tour:
    """Looks at pages on all screens, and collects what is wrong with them."""

    def __init__(self, page: Page) -> None:
        self.page, self.found, self.broken = page, list[str](), list[str]()
        page.on("pageerror", lambda error: self.broken.append(str(error)))

    async def see(self, name: str, path: str = "", *, status: int = 200) -> None:
        """One page, on all screens; the one that is shown already, where no address is given."""
        if path:
            answer = await self.page.goto(path)
            assert answer and answer.status == status, (path, answer and answer.status)
        for index, (look, (width, colour)) in enumerate(LOOKED_AT):
            await self.page.set_viewport_size({"width": width, "height": 800})
            await self.page.emulate_media(color_scheme=colour)
            self.found += await faults_of(self.page, look, name, only=OF_LOOKS if index else ALL)

    def check(self) -> None:
        """Nothing was found."""
        assert not self.found, "\n".join(self.found)
        assert not self.broken, "\n".join(self.broken)


async def fill_in(page: Page, **more: str) -> None:
    """The checkout's form."""
    for name, text in {**WHERETO, **more}.items():
        if name != "country":  # which would have the page made anew, with shipping to there
            await page.fill(f"[name={name}]", text)


async def test_axe_finds_nothing_on_any_page_of_a_visit(shop: Shop, seat: Seat) -> None:
    mug, lamp, shirt = await stock_up(shop)
    async with seat.sits() as page:
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
    async with seat.sits() as page:
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
    async with seat.sits("narrow-light") as page:
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

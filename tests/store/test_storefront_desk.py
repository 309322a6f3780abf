"""The shop's pages for administrators, without JavaScript."""

from __future__ import annotations

import asyncio

import pytest

from apps.store.orders import module as orders
from craton.sagas import asking
from tests.store.shop import STRUCTURES, Shop
from tests.store.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")
anywhere = pytest.mark.parametrize("shop", STRUCTURES[:1], ids=str, indirect=True)
PAGES = ("", "/products", "/products/new", "/stock", "/stock?low=yes", "/orders", "/orders?status=paid", "/shipments",
         "/shipments?state=sent", "/sagas")


async def sign_in(visitor: Visitor) -> None:
    """As the administrator of the settings."""
    page = await visitor.look("/login?back=/manage")
    page = await visitor.send(page, "/login", email="admin@store.example", password="correct horse battery")
    assert page.path == "/manage?note=welcome", page.text


async def test_only_administrators_see_the_desk(shop: Shop) -> None:
    async with Visitor(shop) as guest, Visitor(shop) as ann, Visitor(shop) as admin:
        await guest.add(await shop.product())
        await ann.send(await ann.look("/register"), "/register", email=f"{await shop.product()}@example.com",
                       password="correct horse")
        for path in PAGES:
            assert (await guest.look(f"/manage{path}")).path.startswith("/login?back=%2Fmanage")
            assert (await ann.look(f"/manage{path}")).status == 403
        assert not (await ann.look("/")).all('a[href="/manage"]')
        assert (await ann.post("/manage/products/new", {"sku": "stolen", "name": "x", "price": "1"})).status == 403
        await sign_in(admin)
        assert (await admin.look("/")).all('footer a[href="/manage"]')
        for path in PAGES:
            page = await admin.look(f"/manage{path}")
            assert (page.status, page.path) == (200, f"/manage{path}"), page.text


async def test_a_product_is_made_described_priced_counted_and_discontinued(shop: Shop) -> None:
    sku = f"{await shop.product()}-new"
    async with Visitor(shop) as admin, Visitor(shop) as ann:
        await sign_in(admin)
        page = await admin.look("/manage/products/new")
        wrong = await admin.send(page, "/manage/products/new", sku="no good", name="", price="12,5")
        assert (wrong.status, wrong.said("#price-more")) == (422, "Enter an amount such as 12.50.")
        assert wrong.said("#name-more") and wrong.said("#sku-more")
        typed = {"sku": sku, "name": "Jug", "price": "12.5", "categories": "kitchen,home"}
        page = await admin.send(wrong, "/manage/products/new", **typed)
        here = f"/manage/products/{sku}"
        assert (page.path, page.form(here)["categories"]) == (f"{here}?note=created", "kitchen, home")
        page = await admin.send(page, f"{here}/restock", quantity="7")
        page = await admin.send(page, f"{here}/count", there="5")
        assert "5 left to sell" in page.said("section[aria-labelledby=stock]")
        page = await admin.send(page, here, name="Blue jug", description="Two\nlines")
        assert (page.said("h1"), page.form(here)["description"]) == ("Blue jug", "Two\nlines")
        page = await admin.send(page, f"{here}/price", price="9")
        assert (await ann.look(f"/product/{sku}")).said(".large .price") == "$9.00"
        page = await admin.send(page, f"{here}/discontinue")
        assert "no longer sold" in page.said("h1")
        found = await admin.look(f"/manage/products?q={sku}")
        assert found.words(found.all("tbody th")[0]) == f"Blue jug no longer sold {sku}"
    await shop.check()


@anywhere
async def test_a_stale_form_says_so_and_keeps_what_was_typed(shop: Shop) -> None:
    sku = await shop.product()
    here = f"/manage/products/{sku}"
    async with Visitor(shop) as ann, Visitor(shop) as bob:
        await sign_in(ann)
        await sign_in(bob)
        old = await ann.look(here)
        await bob.send(await bob.look(here), here, name="Bob's mug")
        stale = await ann.send(old, here, name="Ann's mug", brand="Oldcastle")
        assert (stale.status, stale.form(here)["name"], stale.form(here)["brand"]) == (409, "Ann's mug", "Oldcastle")
        assert "Somebody has changed" in stale.said("[role=alert]") and "Bob's mug" in stale.said(".now dd")
        again = await ann.send(stale, here)
        assert again.said("h1") == "Ann's mug"
        stale = await ann.send(old, f"{here}/price", price="77.70")
        assert (stale.status, stale.form(f"{here}/price")["price"]) == (409, "77.70")
        assert (await ann.send(old, f"{here}/discontinue")).status == 409


async def test_an_order_is_refunded_shipped_and_another_one_cancelled_once_each(shop: Shop) -> None:
    ann = shop.customer()
    first, second = [await ann.order_of(await shop.product(price=2000)) for _ in range(2)]
    await shop.settled()
    async with Visitor(shop) as admin:
        await sign_in(admin)
        here = f"/manage/orders/{first.id}"
        page = await admin.look(here)
        too_much = await admin.send(page, f"{here}/refund", amount="1000000")
        assert too_much.status == 422 and "Enter an amount from 0.01" in too_much.said("#amount-more")
        form = page.form(f"{here}/refund") | {"amount": "5.00", "reason": "scratched"}
        for _ in range(2):
            await admin.post(f"{here}/refund", form)
        await shop.settled()
        assert "$5.00 given back." in (await admin.look(here)).said(".summary .note")
        waiting = await admin.look("/manage/shipments")
        while not waiting.all(f'a[href="{here}"]'):  # orders of other tests have waited longer
            waiting = await admin.look("/manage/shipments" + str(waiting.one("a[rel=next]").attributes["href"]))
        form = waiting.form(f"{here}/ship") | {"tracking": "TRACK-1"}
        assert (await admin.post(f"{here}/ship", form)).path == "/manage/shipments?note=shipped"
        page = await admin.post(f"{here}/ship", form | {"key": "another"})
        assert page.status == 409 and "the order is shipped by now" in page.said("[role=alert]")
        assert "TRACK-1" in (await admin.look(here)).text
        there = f"/manage/orders/{second.id}"
        await admin.send(await admin.look(there), f"{there}/cancel", reason="lost")
        await shop.settled()
        page = await admin.look(there)
        assert "cancelled" in page.said("h1") and "lost" in page.said(".history")
    assert await shop.bank.net(second.id) == 0
    await shop.check()


async def test_a_saga_that_broke_is_shown_with_its_reason_and_put_back_on_its_way(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await shop.customer().order_of(await shop.product(price=2000))
    await shop.settled()
    monkeypatch.setattr(asking, "BROKEN", 1)
    async with Visitor(shop) as admin:
        await sign_in(admin)
        here = f"/manage/orders/{order.id}"
        with monkeypatch.context() as broken:
            broken.setattr(orders, "OrderRefunded", lambda *given: 1 / 0)
            await admin.send(await admin.look(here), f"{here}/refund", amount="5.00")
            async with asyncio.timeout(30):
                while not (found := (await admin.look("/manage/sagas")).all("tbody a")):  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(0.05)
        page = await admin.look(found[0].attributes["href"] or "")
        assert page.said("h1") == "orders.refund parked" and "ZeroDivisionError" in page.said(".note.bad")
        assert "payments.refund done" in page.text and order.id in page.said(".asked")
        form, action = page.form(f"{page.path}/retry"), f"{page.path}/retry"
        assert (await admin.post(action, form)).path == "/manage/sagas?note=retried"
        await shop.settled()
        assert (await admin.look("/manage/sagas")).text.endswith("None: everything went its way.")
        assert (await admin.post(action, form)).path == "/manage/sagas?note=not-parked"
        assert "$5.00 given back." in (await admin.look(here)).said(".summary .note")
    await shop.check()

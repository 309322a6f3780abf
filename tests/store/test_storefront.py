"""Whole journeys through the shop's pages, without JavaScript; in every structure."""

from __future__ import annotations

import asyncio
import re

import pytest

from apps.store.catalog.contract import Draft
from apps.store.money import Money
from tests.store.shop import POSTGRESQL, STRUCTURES, Shop
from tests.store.visitor import WHERETO, Page, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")
anywhere = pytest.mark.parametrize("shop", STRUCTURES[:1], ids=str, indirect=True)
"""For what is the same in every structure by itself."""


def order_of(page: Page) -> str:
    """The id of the order that a page shows."""
    found = re.match(r"/order/([^?/]+)", page.path)
    assert found, f"{page.path} shows no order: {page.text}"
    return found[1]


async def test_a_guest_finds_a_product_and_buys_it(shop: Shop) -> None:
    sku = await shop.product(stock=5, price=1234)
    async with Visitor(shop) as ann:
        found = await ann.look(f"/search?q={sku}")
        assert [link.attributes["href"] for link in found.all(".card a")] == [f"/product/{sku}"]
        product = await ann.look(f"/product/{sku}")
        assert (product.said("h1"), product.said(".large .price")) == (sku, "$12.34")
        assert product.said(".stock") == "Only 5 left."
        cart = await ann.send(product, "/cart", quantity="3")
        assert (cart.path, cart.said(".count")) == ("/cart?note=added", "3 in it")
        cart = await ann.send(cart, "/cart/quantity", quantity="2")
        assert cart.said(".summary .sum dd") == "$24.68"
        page = await ann.look("/checkout")
        total = page.said(".totals .sum dd")
        order = await ann.follow(await ann.send(page, "/cart/checkout", **WHERETO))
        assert (order.said(".status"), order.said(".sum dd")) == ("Paid. We are packing it.", total)
        assert "Ann Example" in order.said("address")
        assert f"${await shop.bank.net(order_of(order)) / 100:.2f}" == total
        assert "nothing in your cart" in (await ann.look("/cart")).text
        assert (await ann.look("/account")).one(".orders a").attributes["href"] == f"/order/{order_of(order)}"
    await shop.check()


@anywhere
async def test_a_line_is_taken_out_of_the_cart_and_then_all_of_them(shop: Shop) -> None:
    mug, pot, cup = [await shop.product() for _ in range(3)]
    async with Visitor(shop) as ann:
        for sku in (mug, pot, cup):
            cart = await ann.add(sku)
        assert [cart.words(name) for name in cart.all(".cart h2")] == [mug, pot, cup]
        cart = await ann.send(cart, "/cart/quantity", remove="yes")
        assert [cart.words(name) for name in cart.all(".cart h2")] == [pot, cup]
        cart = await ann.send(cart, "/cart/quantity", quantity="0")
        assert [cart.words(name) for name in cart.all(".cart h2")] == [cup]
        assert "nothing in your cart" in (await ann.send(cart, "/cart/empty")).text


async def test_a_declined_card_is_told_and_another_one_buys_with_what_was_typed(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        await ann.add(await shop.product(stock=1))
        page = await ann.buy("pm_card_chargeDeclinedInsufficientFunds", city="Ålesund", country="NO")
        assert (page.status, page.said("#card-more")) == (402, (
            "The card was declined: there is not enough money on it. Nothing was taken; please try another one."
        ))
        typed = page.form("/cart/checkout")
        assert (typed["city"], typed["country"], typed["email"]) == ("Ålesund", "NO", WHERETO["email"])
        order = await ann.follow(await ann.send(page, "/cart/checkout", card="pm_card_visa"))
        assert "Paid" in order.said(".status") and "Ålesund" in order.said("address")
    await shop.check()


async def test_a_customer_goes_to_the_bank_and_comes_back_to_a_paid_order(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        await ann.add(await shop.product(stock=1))
        waiting = await ann.buy("pm_card_authenticationRequired")
        assert waiting.said(".status") == "Your bank wants to hear from you first."
        too_early = await ann.send(waiting, f"/order/{order_of(waiting)}/resume")
        assert "has not confirmed" in too_early.said(".note[role]")
        await shop.bank.decide(waiting.one('a[rel="external"]').attributes["href"] or "")
        paid = await ann.look("/checkout/return?payment_intent=pi_1")
        assert (order_of(paid), paid.said(".status")) == (order_of(waiting), "Paid. We are packing it.")
    await shop.check()


@anywhere
async def test_a_customer_whom_the_bank_refuses_has_the_cart_as_it_was(shop: Shop) -> None:
    sku = await shop.product(stock=1)
    async with Visitor(shop) as ann:
        await ann.add(sku)
        waiting = await ann.buy("pm_card_authenticationRequired")
        assert waiting.all(".count") == []  # it is being bought
        assert order_of(await ann.look("/checkout")) == order_of(waiting)
        await shop.bank.decide(waiting.one('a[rel="external"]').attributes["href"] or "", "fail")
        refused = await ann.look("/checkout/return")
        assert "refused" in refused.said(".note.bad") and "cancelled" in refused.said(".status")
        assert (await ann.look("/cart")).said(".cart h2") == sku
    await shop.check()


async def test_a_guest_registers_and_keeps_the_cart_signs_in_again_and_cancels(shop: Shop) -> None:
    mug, pot = await shop.product(stock=5), await shop.product(stock=5)
    email, password = f"{mug}@example.com", "correct horse"
    async with Visitor(shop) as ann:
        await ann.add(mug, 2)
        page = await ann.send(await ann.look("/register"), "/register", email=email, name="Ann", password=password)
        assert (page.path, page.said(".count")) == ("/account?note=welcome", "2 in it")
        order = await ann.buy()
        assert (await ann.look("/checkout")).path == "/cart"  # there is nothing to buy
        home = await ann.send(order, "/logout")
        assert home.path == "/" and (await ann.look("/account")).path == "/login?back=%2Faccount"
        await ann.add(pot)
        page = await ann.send(await ann.look("/login?back=/cart"), "/login", email=email.upper(), password=password)
        assert (page.path, page.said(".cart h2")) == ("/cart?note=welcome", pot)
        assert (await ann.look("/checkout")).form("/cart/checkout")["street_address"] == WHERETO["street_address"]
        cancelled = await ann.send(await ann.look(order.path), f"/order/{order_of(order)}/cancel")
        assert "cancelled" in cancelled.said(".status") and "given back" in cancelled.text
    assert await shop.bank.net(order_of(order)) == 0
    await shop.check()


@anywhere
async def test_wrong_credentials_and_weak_passwords_are_told_beside_the_field(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        page = await ann.send(await ann.look("/login"), "/login", email="nobody@example.com", password="wrong horse")
        assert page.status == 422 and "do not belong together" in page.said("#password-more")
        assert "wrong horse" not in page.answer.text
        page = await ann.send(await ann.look("/register"), "/register", email="none", password="abc")
        assert page.said("#email-more") == "Enter an e-mail address, such as me@example.com."
        page = await ann.send(page, "/register", email="new@example.com", password="abc")
        assert "8 to 1024 characters" in page.said("#password-more")
        assert page.form("/register")["email"] == "new@example.com"


async def test_a_form_that_is_sent_twice_buys_once(shop: Shop) -> None:
    sku = await shop.product(stock=9)
    async with Visitor(shop) as ann:
        await ann.add(sku)
        product = await ann.look(f"/product/{sku}")
        await asyncio.gather(*(ann.send(product, "/cart") for _ in range(3)))
        assert (await ann.look("/cart")).said(".count") == "2 in it"
        form = (await ann.look("/checkout")).form("/cart/checkout") | WHERETO
        twice = await asyncio.gather(*(ann.post("/cart/checkout", form) for _ in range(3)))
        twice = [await ann.follow(page) for page in twice]
        again = await ann.follow(await ann.post("/cart/checkout", form))
        assert len({order_of(page) for page in [*twice, again]}) == 1
        assert len((await ann.look("/account")).all(".orders a")) == 1
    await shop.check()


@pytest.mark.parametrize("shop", POSTGRESQL[:1], ids=str, indirect=True)
async def test_an_address_that_no_database_can_look_for_is_not_found(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        await ann.add(await shop.product())
        for path in ("/product/%00", "/category/%00", "/order/%00/state", "/checkout/%00", "/sagas/orders/%00"):
            assert (await ann.look(path)).status == 404, path
        assert (await ann.post("/order/%00/cancel", {})).status == 404


@anywhere
async def test_prices_are_shown_in_another_currency_and_charged_in_the_shops_own(shop: Shop) -> None:
    sku = await shop.product(price=10_000)
    async with Visitor(shop) as ann:
        product = await ann.look(f"/product/{sku}")
        product = await ann.send(product, "/setCurrency", currency_code="JPY")
        assert (product.path, product.said(".large .price")) == (f"/product/{sku}", "≈ about ¥15,462")
        assert product.said(".charged") == "charged as $100.00"
        assert "sample rates of 20 November 2026" in product.said("footer")
        await ann.send(product, "/cart")
        order = await ann.buy()
        total = order.said(".totals .sum dd")
        assert total.startswith("$") and "¥" in order.said(".totals .about dd")
        assert f"${await shop.bank.net(order_of(order)) / 100:.2f}" == total
        assert (await ann.send(order, "/setCurrency", currency_code="XXX")).said(".totals .about dd").startswith("¥")


async def test_a_price_that_has_changed_is_told_and_agreed_to(shop: Shop) -> None:
    mug, gone = await shop.product(price=1000), await shop.product()
    async with Visitor(shop) as ann:
        await ann.add(mug)
        await ann.add(gone)
        form = (await ann.look("/checkout")).form("/cart/checkout") | WHERETO
        await shop.admin.ask(shop.catalog.change_price, mug, Money(1500), 1)
        await shop.admin.ask(shop.catalog.discontinue, gone, 1)
        await shop.settled()
        stale = await ann.post("/cart/checkout", form)
        assert stale.status == 409 and "Your cart has changed" in stale.said("[role=alert]")
        cart = await ann.look("/cart")
        assert cart.said(".cart .error") == "It costs $15.00 now, not $10.00."
        assert gone in cart.said(".note.bad")
        cart = await ann.send(cart, "/cart/agree")
        assert cart.said(".summary .sum dd") == "$15.00" and not cart.all(".error")
        assert "Paid" in (await ann.buy()).said(".status")
    await shop.check()


async def test_what_is_sold_out_cannot_be_ordered_and_what_is_scarce_is_told(shop: Shop) -> None:
    none, few = await shop.product(stock=0), await shop.product(stock=2)
    async with Visitor(shop) as ann, Visitor(shop) as bob:
        page = await ann.look(f"/product/{few}")
        assert page.said(".stock") == "Only 2 left."
        cart = await ann.send(page, "/cart", quantity="3")
        assert cart.said(".cart .error") == "Only 2 left."
        short = await ann.buy()
        assert short.path == "/cart?note=stock" and "Only 2 left." in short.text
        too_many = await bob.send(page, "/cart", quantity="100")
        assert (too_many.status, too_many.said("#quantity-more")) == (422, "Enter a number from 1 to 99.")
        await shop.admin.ask(shop.inventory.restock, none, 1)
        await shop.admin.ask(shop.inventory.adjust, none, -1)
        page = await ann.look(f"/product/{none}")
        assert page.said(".stock") == "Sold out at the moment." and not page.all(".buy")
    await shop.check()


@anywhere
async def test_what_is_wrong_with_a_checkout_is_told_beside_each_field(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        await ann.add(await shop.product())
        number = "4242424242424241"
        page = await ann.buy(
            "other", email="none", city="", country="Nowhere", credit_card_number=number, credit_card_cvv="12",
        )
        assert page.status == 422
        wrong = {node.attributes["id"] for node in page.all('[aria-invalid="true"]')}
        assert wrong == {"email", "city", "country", "credit_card_number"}
        assert page.form("/cart/checkout")["name"] == "Ann Example"
        assert number not in page.answer.text
        expired = {"credit_card_expiration_month": "1", "credit_card_expiration_year": "2020", "credit_card_cvv": "123"}
        page = await ann.buy("other", credit_card_number="4242 4242 4242 4242", **expired)
        assert page.said("#credit_card_expiration_month-more") == "This card has expired."


@anywhere
async def test_shipping_and_tax_follow_the_country_and_what_was_typed_stays(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        await ann.add(await shop.product(price=2000))
        page = await ann.look("/checkout")
        there = await ann.post("/checkout", page.form("/cart/checkout") | {"city": "Oslo", "country": "NO"})
        assert there.form("/cart/checkout")["city"] == "Oslo"
        assert there.said(".summary .small.muted") == "Shipping to Norway."
        assert there.said(".totals") != page.said(".totals")


@anywhere
async def test_a_list_is_read_page_by_page_in_the_order_asked_for(shop: Shop) -> None:
    kind = f"kind-{await shop.product()}"
    for number in range(30):
        draft = Draft(sku=f"{kind}-{number}", name=f"Thing {number}", price=Money(100 + number), categories=(kind,))
        await shop.admin.ask(shop.catalog.create, draft)
    async with Visitor(shop) as ann:
        page = await ann.look(f"/category/{kind}?sort=-price")
        first = [page.words(name) for name in page.all(".card .name")]
        page = await ann.look(f"/category/{kind}{page.one('a[rel=next]').attributes['href']}")
        second = [page.words(name) for name in page.all(".card .name")]
        assert first + second == [f"Thing {number}" for number in reversed(range(30))]
        assert not page.all("a[rel=next]")
        assert (await ann.look(f"/category/{kind}?after=nonsense")).status == 200
        assert (await ann.look("/category/no-such-thing")).status == 404


async def test_a_session_goes_on_after_its_token_has_run_out_until_its_owner_signs_out(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        form = {"email": f"{await shop.product()}@example.com", "password": "correct horse"}
        await ann.send(await ann.look("/register"), "/register", **form)
        ann.http.cookies.delete("shop_session-id")  # as browsers do when its time has passed
        page = await ann.add(await shop.product())
        assert page.words(page.all(".you a")[0]) == "Your account"
        assert form["email"] in (await ann.look("/account")).text
        kept = ann.http.cookies["shop_refresh"]
        await ann.send(page, "/logout")
        ann.http.cookies.set("shop_refresh", kept, domain="store.local")
        assert (await ann.look("/account")).path == "/login?back=%2Faccount"

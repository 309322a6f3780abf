"""The shop's pages under attack: foreign forms, markup in names, other people's orders, addresses elsewhere."""

from __future__ import annotations

import re

import pytest

from apps.store.catalog.contract import Draft
from apps.store.money import Money
from tests.store.shop import STRUCTURES, Shop
from tests.store.visitor import URL, WHERETO, Visitor

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("shop", STRUCTURES[:1], ids=str, indirect=True),
]
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
FOREIGN = [{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}]
OLD_BROWSERS = [
    {"Origin": origin} for origin in ("https://evil.example", "null", "http://store.evil.example", "http://[")
]


@pytest.mark.parametrize("path", ["/cart", "/cart/checkout", "/login", "/register", "/setCurrency", "/logout"])
async def test_a_form_of_another_site_is_refused(shop: Shop, path: str) -> None:
    async with Visitor(shop) as ann:
        for said in FOREIGN:
            assert (await ann.http.post(path, data=WHERETO, headers=said)).status_code == 403
        for said in OLD_BROWSERS:
            ann.http.headers.pop("Sec-Fetch-Site", None)
            assert (await ann.http.post(path, data=WHERETO, headers=said)).status_code == 403
        assert not ann.http.cookies


async def test_a_link_of_another_site_does_not_sign_out(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        await ann.add(await shop.product())
        await ann.http.get("/logout", headers={"Sec-Fetch-Site": "cross-site"})
        assert (await ann.look("/cart")).said(".count") == "1 in it"
        await ann.look("/logout")
        assert "nothing in your cart" in (await ann.look("/cart")).text


async def test_markup_in_what_people_write_stays_text(shop: Shop) -> None:
    sku = f"evil-{await shop.product()}"
    draft = Draft(sku=sku, name=EVIL, price=Money(1), description=EVIL, brand=EVIL, categories=(EVIL,))
    await shop.admin.ask(shop.catalog.create, draft)
    await shop.admin.ask(shop.inventory.restock, sku, 9)
    async with Visitor(shop) as ann:
        paths = ("/", f"/search?q={EVIL}&sort={EVIL}", f"/product/{sku}")
        pages = [await ann.look(path) for path in paths]
        assert pages[-1].said("h1") == EVIL
        pages += [await ann.add(sku), await ann.look(f"/?note={EVIL}"), await ann.look(f"/login?back={EVIL}")]
        pages.append(await ann.buy("other", city=EVIL, name=EVIL, country=EVIL, zip_code=EVIL))
        pages.append(await ann.buy(name=EVIL, city=EVIL))
        assert pages[-1].path.startswith("/order/")
        pages += [await ann.look("/account"), await ann.post("/setCurrency", {"currency_code": EVIL, "back": EVIL})]
        for page in pages:
            assert not page.all("main script, [onerror], script:not([src])"), page.path


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"])
async def test_nobody_is_sent_to_another_site(shop: Shop, place: str) -> None:
    async with Visitor(shop) as ann:
        account = {"email": f"{await shop.product()}@example.com", "password": "correct horse", "back": place}
        for path, form in (("/register", account), ("/login", account), ("/setCurrency", {"back": place})):
            answer = await ann.http.post(path, data=form, follow_redirects=False)
            assert answer.status_code == 303 and re.match(r"/([a-z?]|$)", answer.headers["Location"]), path
        for came in (f"{place}/cart", "http://["):
            answer = await ann.http.post("/setCurrency", headers={"Referer": came}, follow_redirects=False)
            assert answer.headers["Location"] == "/"
        answer = await ann.http.post("/setCurrency", headers={"Referer": f"{URL}/search?q=mug"}, follow_redirects=False)
        assert answer.headers["Location"] == "/search?q=mug"


async def test_an_order_and_a_checkout_are_their_customers_alone(shop: Shop) -> None:
    async with Visitor(shop) as ann, Visitor(shop) as bob:
        await ann.add(await shop.product())
        order = await ann.buy()
        await bob.add(await shop.product())
        path = order.path.partition("?")[0]
        for seen in (path, f"{path}/state", "/checkout/orders-checkout-1", "/order/none"):
            assert (await bob.look(seen)).status == 404
        assert (await bob.post(f"{path}/cancel", {})).status == 404
        assert "Paid" in (await ann.look(path)).text


async def test_a_session_is_kept_from_scripts_and_other_sites_and_told_to_no_page(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        answer = await ann.http.post("/cart", data={"product_id": await shop.product()}, follow_redirects=False)
        cookie = answer.headers["Set-Cookie"]
        assert all(said in cookie for said in ("HttpOnly", "SameSite=lax", "Path=/")) and "Secure" not in cookie
        token = ann.http.cookies["shop_session-id"]
        assert token not in (await ann.look("/checkout")).answer.text
        ann.http.headers["X-Forwarded-Proto"], ann.http.follow_redirects = "https", False
        answer = await ann.http.post("/setCurrency", data={"currency_code": "EUR"})
        assert "Secure" in answer.headers["Set-Cookie"]


async def test_a_session_that_has_ended_is_no_session(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        for token in ("nonsense", "a.b.c", "\x7f"):
            ann.http.cookies = {"shop_session-id": token}
            page = await ann.look("/cart")
            assert page.status == 200 and "nothing in your cart" in page.text


async def test_browsers_are_told_to_allow_nothing_that_is_not_the_shops(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        for path in ("/", "/cart", "/nowhere", "/static/shop.css"):
            headers = (await ann.look(path)).answer.headers
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
        page = await ann.look("/")
        assert not page.all("[style], style, script:not([src])")
        assert all((s.attributes["src"] or "").startswith("/static/") for s in page.all("script, img"))


async def test_what_is_no_form_is_refused_and_breaks_nothing(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        long, many = {"q": "x" * 100_000}, {f"f{n}": "" for n in range(200)}
        assert (await ann.http.post("/login", data=long)).status_code == 413
        assert (await ann.http.post("/login", data=many)).status_code == 400
        assert (await ann.http.post("/login", content=b"\xff\xfe=\xff")).status_code in (400, 422)
        assert (await ann.http.post("/cart", data={"product_id": "\0", "quantity": "1e9"})).status_code in (404, 422)
        assert (await ann.http.post("/cart", data={"product_id": "no such thing"})).status_code == 404
        refused = await ann.http.put("/cart")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
        for path in ("/../site.py", "/%2e%2e/site.py", "/pictures/..%2f..%2fx.svg", "/" + "x" * 300, "/" + "é" * 199):
            path = f"/static{path}"
            assert (await ann.look(path)).status == 404


async def test_files_are_kept_for_good_under_an_address_that_names_what_is_in_them(shop: Shop) -> None:
    async with Visitor(shop) as ann:
        path = (await ann.look("/")).one('link[rel="stylesheet"]').attributes["href"] or ""
        style = (await ann.http.get(path)).headers
        assert "immutable" in style["Cache-Control"]
        assert "immutable" not in (await ann.http.get(path.partition("?")[0])).headers["Cache-Control"]
        again = await ann.http.get(path, headers={"If-None-Match": style["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert (await ann.look("/cart")).answer.headers["Cache-Control"] == "no-store"
        picture = await ann.http.get(f"{URL}/static/pictures/mug-stoneware.svg")
        assert picture.headers["Content-Type"] == "image/svg+xml"

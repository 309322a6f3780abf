"""S18: nobody sees or changes what is another's, and only administrators do what is theirs; by calls and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from apps.store.application import store
from apps.store.carts.contract import CartNotFound
from apps.store.orders.contract import Order, OrderNotFound
from craton import Caller
from craton.calls.codec import to_json
from tests.store.shop import ADDRESS, Person, Shop, everywhere
from tests.store.test_keys import headers, order_form

pytestmark = pytest.mark.asyncio(loop_scope="session")
EXAMPLES = {"{sku}": "mug", "{order}": "order-1"}


def admin_routes() -> Iterator[tuple[str, str]]:
    """Verb and path of all that is for administrators."""
    for _, method in store.methods():
        if method.allow == "admin":
            assert method.route is not None
            path = method.route.path
            for part, example in EXAMPLES.items():
                path = path.replace(part, example)
            yield method.route.verb, path


def inner_names() -> Iterator[str]:
    """Methods that other modules may call, and nobody from outside."""
    return (f"{module.name}/{method.name}" for module, method in store.methods() if method.route is None)


async def strangers(shop: Shop) -> list[Person]:
    """Another customer, another guest, and one who has no name."""
    return [shop.customer(), shop.guest(), Person(shop, Caller(""))]


async def paid_order(shop: Shop) -> tuple[Person, Order]:
    """An order, and whose it is."""
    ann = shop.customer()
    return ann, await ann.order_of(await shop.product())


@everywhere
async def test_nobody_sees_or_changes_anothers_order(shop: Shop) -> None:
    ann, order = await paid_order(shop)
    waiting = await ann.order_of(await shop.product(), card="pm_card_authenticationRequired")
    for other in await strangers(shop):
        for target in (order, waiting):
            for call in (shop.orders.order, shop.orders.cancel, shop.orders.resume):
                with pytest.raises(OrderNotFound):
                    await other.ask(call, target.id)
        assert (await other.ask(shop.orders.mine)).items == ()
    assert [o.status for o in (await ann.ask(shop.orders.mine)).items] == ["stock_confirmed", "paid"]
    await ann.ask(shop.orders.cancel, waiting.id)
    await shop.check()


async def test_nobody_buys_anothers_cart(shop: Shop) -> None:
    ann = shop.customer()
    cart = await ann.fill(await shop.product())
    for other in await strangers(shop):
        with pytest.raises(CartNotFound):
            await other.buy(cart)
    assert (await ann.ask(shop.carts.mine)) == cart
    await shop.check()


async def test_anothers_order_is_not_found_over_http(shop: Shop) -> None:
    ann, order = await paid_order(shop)
    bob = shop.customer()
    cart = await ann.fill(await shop.product())
    async with shop.browser(bob) as http:
        answers = [
            await http.get(f"/orders/{order.id}"),
            await http.post(f"/orders/{order.id}/cancel", content=b"{}", headers=headers("1")),
            await http.post(f"/orders/{order.id}/resume", content=b"{}", headers=headers("2")),
            await http.post("/orders", content=order_form(cart), headers=headers("3")),
            await http.get("/orders/order-of-nobody"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 5
        assert (await http.get("/orders")).json()["items"] == []
        assert (await http.get("/carts/mine")).json()["lines"] == []
    async with shop.browser(ann) as http:
        assert (await http.get(f"/orders/{order.id}")).json()["status"] == "paid"
    await shop.check()


async def test_nobody_asks_after_anothers_checkout(shop: Shop) -> None:
    ann = shop.customer()
    cart = await ann.fill(await shop.product())
    await shop.bank.control(next=[["capture", "timeout_before"]] * 3)
    async with shop.browser(ann) as http:
        answer = await http.post("/orders", content=order_form(cart), headers=headers("slow") | {"Prefer": "wait=1"})
        assert answer.status_code == 202
        place = answer.headers["Location"]
        assert (await http.get(place)).json()["state"] in ("running", "done")
    for other, status in ((shop.customer(), 403), (shop.guest(), 403), (None, 401), (shop.admin, 200)):
        async with shop.browser(other) as http:
            assert (await http.get(place)).status_code == status
    await shop.bank.control(next=[])
    await shop.quiet()
    async with shop.browser(ann) as http:
        assert (await http.get(place)).json()["answer"]["status"] == "paid"
    await shop.check()


@everywhere
async def test_only_administrators_do_what_is_for_administrators(shop: Shop) -> None:
    allowed = ((None, {401}), (shop.guest(), {403}), (shop.customer(), {403}), (shop.admin, {200, 201, 404, 422, 428}))
    for person, statuses in allowed:
        async with shop.browser(person) as http:
            for verb, path in admin_routes():
                body = None if verb == "GET" else b"{}"
                answer = await http.request(verb, path, content=body, headers=headers(path))
                assert answer.status_code in statuses, (answer.request, answer.text)


async def test_customers_who_own_an_order_neither_ship_nor_refund_it(shop: Shop) -> None:
    ann, order = await paid_order(shop)
    async with shop.browser(ann) as http:
        for path, body in (("ship", {}), ("refunds", {"amount": {"amount": 1}})):
            answer = await http.post(f"/admin/orders/{order.id}/{path}", content=to_json(body), headers=headers(path))
            assert answer.status_code == 403
    assert await ann.ask(shop.orders.order, order.id) == order
    await shop.check()


async def test_what_modules_say_to_each_other_cannot_be_said_from_outside(shop: Shop) -> None:
    async with shop.browser(shop.admin) as http:
        for name in inner_names():
            for path in (f"/{name}", f"/{name.replace('/', '.')}"):
                assert (await http.post(path, content=b"{}", headers=headers("1"))).status_code in (404, 405)


async def test_a_token_is_good_only_as_it_was_issued_and_as_long(shop: Shop) -> None:
    ann, _ = await paid_order(shop)
    good = ann.token.reveal()
    head, body, sign = good.split(".")
    async with shop.browser(shop.customer()) as http:
        other = http.headers["Authorization"].split(".")

        async def status(token: str) -> int:
            return (await http.get("/orders", headers={"Authorization": f"Bearer {token}"})).status_code

        assert await status(good) == 200
        forged = [f"{head}.{body}.{other[2]}", f"{head}.{other[1]}.{sign}", f"{head}.{body}.", "", "x"]
        assert [await status(token) for token in forged] == [401] * len(forged)
        short = shop.tokens.issue(ann.caller, lifetime=timedelta(seconds=1))
        shop.clock.forward(2)
        assert await status(short) == 401


async def test_signing_in_gives_no_more_than_ones_own_roles(shop: Shop) -> None:
    async with shop.browser() as http:
        email = f"{shop.customer().caller.subject[5:]}@example.com"
        form = {"email": email, "password": "correct horse", "roles": ["admin"]}
        made = await http.post("/users", content=to_json(form), headers=headers(email))
        assert made.status_code == 201, made.text
        customer = (await sign_in(http, email, "correct horse")).json()["token"]
        admin = (await sign_in(http, "admin@store.example", "correct horse battery")).json()["token"]
        for password in ("", "correct horse"):
            assert (await sign_in(http, "admin@store.example", password)).status_code == 401
        seen = [
            (await http.get("/admin/orders", headers={"Authorization": f"Bearer {token}"})).status_code
            for token in (customer, admin)
        ]
    assert seen == [403, 200]


async def sign_in(http: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    """Ask for a session."""
    body: dict[str, Any] = {"email": email, "password": password}
    return await http.post("/sessions", content=to_json(body), headers={"Content-Type": "application/json"})


@everywhere
async def test_a_whole_purchase_works_over_http(shop: Shop) -> None:
    sku = await shop.product(stock=3, price=2500)
    async with shop.browser() as http:
        guest = (await http.post("/sessions/guest")).json()["token"]
        http.headers["Authorization"] = f"Bearer {guest}"
        body = {"sku": sku, "quantity": 2}
        added = await http.post("/cart/items", content=to_json(body), headers=headers("add"))
        cart = added.json()
        assert (await http.get("/quote")).json()["totals"]["goods"] == {"amount": 5000, "currency": "USD"}
        form = dict(cart=cart["id"], version=cart["version"], payment="pm_card_visa", email="g@x.yz", address=ADDRESS)
        order = (await http.post("/orders", content=to_json(form), headers=headers("buy"))).json()
        assert order["status"] == "paid"
        gone = await http.post(f"/orders/{order['id']}/cancel", content=b"{}", headers=headers("cancel"))
        assert gone.json()["refunded"] == order["totals"]["total"]
        assert (await http.get(f"/stock/{sku}")).json()["available"] == 3
    assert await shop.bank.net(order["id"]) == 0
    await shop.check()

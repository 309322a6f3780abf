"""S5: one idempotency key, one order, one answer; in every structure, by calls and over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apps.store.carts.contract import Cart, CartClosed, CartFrozen
from apps.store.orders.contract import Order
from apps.store.payments.contract import CardDeclined
from craton import KeyReused
from craton.calls.codec import to_json
from tests.store.shop import ADDRESS, EMAIL, Shop, at_once, everywhere

pytestmark = pytest.mark.asyncio(loop_scope="session")


def order_form(cart: Cart, card: str = "pm_card_visa") -> bytes:
    """What a browser sends to check a cart out."""
    form = dict(cart=cart.id, version=cart.version, payment=card, email=EMAIL, address=ADDRESS)
    return to_json(form)


def headers(key: str) -> dict[str, str]:
    """What a browser sends with it."""
    return {"Idempotency-Key": f'"{key}"', "Content-Type": "application/json"}


@everywhere
@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_timeoutAfterCharge"])
async def test_one_key_makes_one_order_however_often_it_is_sent_at_once(shop: Shop, card: str) -> None:
    sku, ann = await shop.product(stock=9), shop.customer()
    cart = await ann.fill(sku)
    answers = await asyncio.gather(*(ann.buy(cart, card, key=f"{cart.id}/once") for _ in range(5)))
    answers.append(await ann.buy(cart, card, key=f"{cart.id}/once"))
    assert len(set(answers)) == 1
    assert (await ann.ask(shop.orders.mine)).items == (answers[0],)
    assert (await shop.admin.ask(shop.inventory.stock, sku)).on_hand == 8
    await shop.check()


async def test_a_refusal_is_the_answer_under_its_key_for_ever(shop: Shop) -> None:
    ann = shop.customer()
    cart = await ann.fill(await shop.product())
    for _ in range(2):
        with pytest.raises(CardDeclined):
            await ann.buy(cart, "pm_card_chargeDeclined", key=f"{cart.id}/declined")
    assert len((await ann.ask(shop.orders.mine)).items) == 1
    assert (await ann.buy(cart)).status == "paid"
    await shop.check()


async def test_a_key_of_another_request_is_refused(shop: Shop) -> None:
    ann = shop.customer()
    cart = await ann.fill(await shop.product())
    await ann.buy(cart, key=f"{cart.id}/once")
    with pytest.raises(KeyReused):
        await ann.buy(cart, "pm_card_mastercard", key=f"{cart.id}/once")
    assert len((await ann.ask(shop.orders.mine)).items) == 1
    await shop.check()


@everywhere
async def test_one_cart_that_is_sent_under_many_keys_is_bought_once(shop: Shop) -> None:
    sku, ann = await shop.product(stock=9), shop.customer()
    cart = await ann.fill(sku, quantity=2)
    found = await at_once(ann.buy(cart) for _ in range(5))
    [order] = [one for one in found if isinstance(one, Order)]
    assert {type(one) for one in found} <= {Order, CartFrozen, CartClosed}
    assert {one.order for one in found if isinstance(one, CartFrozen | CartClosed)} == {order.id}
    assert (await ann.ask(shop.orders.mine)).items == (order,)
    assert (await shop.admin.ask(shop.inventory.stock, sku)).on_hand == 7
    await shop.check()


async def test_a_browser_that_repeats_itself_gets_the_same_order(shop: Shop) -> None:
    ann = shop.customer()
    cart = await ann.fill(await shop.product())
    async with shop.browser(ann) as http:
        sent = [http.post("/orders", content=order_form(cart), headers=headers("once")) for _ in range(4)]
        answers = await asyncio.gather(*sent)
        other = await http.post("/orders", content=order_form(cart, "pm_card_amex"), headers=headers("once"))
        without = await http.post("/orders", content=order_form(cart), headers={"Content-Type": "application/json"})
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert (other.status_code, other.json()["type"]) == (422, "urn:craton:problem:key-reused")
    assert (without.status_code, without.json()["type"]) == (400, "urn:craton:problem:key-missing")
    await shop.check()


async def test_a_key_is_its_owners_alone(shop: Shop) -> None:
    sku, people = await shop.product(), [shop.customer(), shop.guest()]
    orders: list[dict[str, Any]] = []
    for person in people:
        cart = await person.fill(sku)
        async with shop.browser(person) as http:
            answer = await http.post("/orders", content=order_form(cart), headers=headers("mine"))
        orders.append(answer.json())
    assert [order["owner"] for order in orders] == [person.caller.subject for person in people]
    await shop.check()

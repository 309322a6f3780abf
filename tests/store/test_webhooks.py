"""S6: what the provider tells us may come twice, late, and in any order, and changes nothing that is known better."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any

import pytest

from apps.store.money import Money
from apps.store.orders.contract import Order
from apps.store.payments.contract import InvalidWebhook, Payment, Payments
from apps.store.provider.webhooks import signed
from tests.store.ledgers import read_tables
from tests.store.shop import Person, Shop, everywhere, until

pytestmark = pytest.mark.asyncio(loop_scope="session")
SECRET = "whsec_store_simulation"


async def events_of(shop: Shop, order: str) -> list[dict[str, Any]]:
    """All that the provider has to tell of an order, the oldest first."""
    page = await shop.bank.http.get("/v1/events", params={"limit": 1000}, headers={"Authorization": "Bearer sk_test_x"})
    found = page.raise_for_status().json()["data"]
    return [event for event in reversed(found) if event["data"]["object"]["metadata"].get("order") == order]


async def tell(shop: Shop, event: dict[str, Any], *, secret: str = SECRET) -> None:
    """Deliver a webhook."""
    payload = json.dumps(event)
    await shop.guest().ask(payments_of(shop).handle_webhook, payload, signed(payload, secret, int(time.time())))


def payments_of(shop: Shop) -> Payments:
    """The payments module."""
    return shop.running.get(Payments)


async def payment_of(shop: Shop, order: Order) -> Payment:
    """What the store knows of a payment."""
    return await shop.admin.ask(payments_of(shop).payment, order.id)


async def told_in_every_order(shop: Shop, order: Order) -> None:
    """Deliver everything several times, from several sides at once, under ids that nobody has heard."""
    events = await events_of(shop, order.id)
    assert events
    before = await payment_of(shop, order)
    for turn in range(3):
        shuffled = [event | {"id": f"{event['id']}-{order.id}-{turn}"} for event in events] + events
        random.Random(turn).shuffle(shuffled)
        await asyncio.gather(*(tell(shop, event) for event in shuffled))
        assert await payment_of(shop, order) == before
    noted = [row["id"] for row in (await read_tables(shop.running))["payments_notices"] if order.id in row["id"]]
    assert noted == [], "what is known already is not written down"


async def paid(shop: Shop, ann: Person) -> Order:
    """An order that is paid, and refunded in part."""
    order = await ann.order_of(await shop.product(price=3000))
    return await shop.admin.ask(shop.orders.refund, order.id, Money(700))


async def declined(shop: Shop, ann: Person) -> Order:
    """An order whose customer was refused by the bank."""
    waiting = await ann.order_of(await shop.product(), card="pm_card_authenticationRequired")
    await shop.bank.decide(waiting.action_url or "", "fail")
    with pytest.raises(Exception, match=r"(?i)declined"):
        await ann.ask(shop.orders.resume, waiting.id)
    return waiting


async def cancelled(shop: Shop, ann: Person) -> Order:
    """An order that was cancelled after the bank had promised the money."""
    waiting = await ann.order_of(await shop.product(), card="pm_card_authenticationRequired")
    await shop.bank.decide(waiting.action_url or "")
    return await ann.ask(shop.orders.cancel, waiting.id)


@everywhere
@pytest.mark.parametrize("made", [paid, declined, cancelled], ids=lambda made: made.__name__)
async def test_webhooks_in_any_order_and_number_change_nothing_that_is_known(shop: Shop, made: Any) -> None:
    order = await made(shop, shop.customer())
    await told_in_every_order(shop, order)
    await shop.check()


async def test_a_webhook_tells_what_nobody_asked_for(shop: Shop) -> None:
    ann = shop.customer()
    waiting = await ann.order_of(await shop.product(), card="pm_card_authenticationRequired")
    assert (await payment_of(shop, waiting)).status == "requires_action"
    await shop.bank.decide(waiting.action_url or "")
    for event in await events_of(shop, waiting.id):
        await tell(shop, event)
    assert (await payment_of(shop, waiting)).status == "requires_capture"
    assert (await ann.ask(shop.orders.resume, waiting.id)).status == "paid"
    await shop.check()


async def test_the_provider_reaches_the_store_over_http(shop: Shop) -> None:
    ann = shop.customer()
    waiting = await ann.order_of(await shop.product(), card="pm_card_authenticationRequired")
    await shop.bank.decide(waiting.action_url or "")

    async def known() -> bool:
        return (await payment_of(shop, waiting)).status == "requires_capture"

    await until(known)
    assert (await ann.ask(shop.orders.cancel, waiting.id)).status == "cancelled"
    await shop.check()


async def test_what_somebody_else_signed_is_not_believed(shop: Shop) -> None:
    ann = shop.customer()
    waiting = await ann.order_of(await shop.product(), card="pm_card_authenticationRequired")
    [event, *_] = await events_of(shop, waiting.id)
    event["data"]["object"] |= {"status": "succeeded", "amount_received": 1}
    with pytest.raises(InvalidWebhook):
        await tell(shop, event, secret="whsec_guessed")
    for payload, signature in (("", ""), ("{}", "t=1,v1=00"), ("null", signed("null", SECRET, int(time.time())))):
        with pytest.raises(InvalidWebhook):
            await shop.guest().ask(payments_of(shop).handle_webhook, payload, signature)
    assert (await payment_of(shop, waiting)).status == "requires_action"
    await ann.ask(shop.orders.cancel, waiting.id)
    await shop.check()


async def test_news_of_an_order_that_is_not_ours_change_nothing(shop: Shop) -> None:
    order = await shop.customer().order_of(await shop.product())
    [event, *_] = await events_of(shop, order.id)
    event["data"]["object"]["metadata"] = {"order": "order-of-another-shop"}
    await tell(shop, event | {"id": f"evt-{order.id}-foreign"})
    customer = {"type": "customer.created", "data": {"object": {"object": "customer"}}}
    await tell(shop, event | {"id": f"evt-{order.id}-other"} | customer)
    await shop.check()

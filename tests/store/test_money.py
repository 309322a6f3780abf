"""S2, S3, S4 and S12: nobody is charged twice, or for nothing, whatever becomes of the answers; in every structure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from apps.store.carts.contract import Cart
from apps.store.money import Money
from apps.store.orders.contract import Order
from craton import NotRun, StillRunning
from craton.testing.start import calling
from tests.store.audit import audit
from tests.store.shop import ADDRESS, EMAIL, Person, Shop, at_once, everywhere, until

pytestmark = pytest.mark.asyncio(loop_scope="session")
TROUBLED = [
    "timeoutBeforeAuthorize", "timeoutAfterAuthorize", "lateAuthorize", "disconnectAfterAuthorize",
    "timeoutBeforeCharge", "timeoutAfterCharge", "lateCharge", "disconnectAfterCharge",
]
RATES = {
    "timeout_after": 0.06, "late": 0.06, "timeout_before": 0.04, "disconnect_after": 0.1, "disconnect_before": 0.05,
    "unavailable": 0.1,
}


@asynccontextmanager
async def watched(shop: Shop) -> AsyncIterator[None]:
    """Look all the time for what must never be, while other things happen."""
    found: list[str] = []

    async def watch() -> None:
        while True:
            found.extend(await audit(shop.running, provider=shop.bank.url, quiet=False))
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    assert not found, "\n".join(found)


@everywhere
async def test_charges_whose_answers_were_lost_are_found_and_not_repeated(shop: Shop) -> None:
    people = await shop.buyers(len(TROUBLED), await shop.product())
    async with watched(shop):
        cards = [f"pm_card_{trouble}" for trouble in TROUBLED]
        orders = await asyncio.gather(*(p.buy(cart, card) for (p, cart), card in zip(people, cards, strict=True)))
    assert {order.status for order in orders} == {"paid"}
    for order in orders:
        [entry] = await shop.bank.entries(order.id)
        assert (entry["authorized"], entry["captured"], entry["net"]) == (order.totals.total.amount,) * 3
    await shop.check()


@pytest.mark.parametrize("partial", [False, True])
async def test_money_whose_return_was_not_confirmed_is_returned_once(shop: Shop, partial: bool) -> None:
    ann = shop.customer()
    order = await ann.order_of(await shop.product(price=5000), card="pm_card_timeoutAfterRefund")
    if partial:
        await shop.admin.ask(shop.orders.refund, order.id, Money(700))
    else:
        await ann.ask(shop.orders.cancel, order.id)
    [entry] = await shop.bank.entries(order.id)
    assert entry["refunded"] == (700 if partial else order.totals.total.amount)
    await shop.check()


async def test_a_promise_whose_return_was_not_confirmed_is_given_up(shop: Shop) -> None:
    sku, ann, bob = await shop.product(stock=1), shop.customer(), shop.customer()
    waiting = await ann.order_of(sku, card="pm_card_authenticationRequired")
    await shop.bank.decide(waiting.action_url or "")
    await shop.bank.control(next=[["cancel", "timeout_after"], ["cancel", "disconnect_before"]])
    assert (await ann.ask(shop.orders.cancel, waiting.id)).status == "cancelled"
    [entry] = await shop.bank.entries(waiting.id)
    assert (entry["status"], entry["net"]) == ("canceled", 0)
    assert (await bob.order_of(sku)).status == "paid"
    await shop.check()


@everywhere
async def test_no_order_is_ever_both_cancelled_and_charged(shop: Shop) -> None:
    sku = await shop.product(stock=4)
    people = await shop.buyers(8, sku)
    cards = ["pm_card_visa", "pm_card_chargeDeclined", "pm_card_timeoutAfterCharge", "pm_card_mastercard"] * 2
    await shop.bank.control(rates=RATES, seed=7)
    try:
        async with watched(shop):
            found = await at_once(p.buy(cart, card) for (p, cart), card in zip(people, cards, strict=True))
    finally:
        await shop.bank.control(rates={})
    assert sum(isinstance(one, Order) for one in found) <= 4
    await shop.check()


async def test_a_provider_that_is_away_for_a_while_delays_orders_and_loses_none(shop: Shop) -> None:
    sku = await shop.product(stock=3)
    people = await shop.buyers(3, sku)
    await shop.bank.control(rates={"unavailable": 0.5, "disconnect_before": 0.5})
    try:
        buying = [asyncio.create_task(person.buy(cart)) for person, cart in people]
        await asyncio.sleep(0.5)
        assert not any(task.done() for task in buying)
    finally:
        await shop.bank.control(rates={})
    assert [order.status for order in await asyncio.gather(*buying)] == ["paid"] * 3
    await shop.check()


LATE = "pm_card_timeoutAfterCharge"


async def begun(shop: Shop, person: Person) -> tuple[Cart, str]:
    """A checkout that its customer does not wait for, now that the money is promised: the cart, and the saga's id."""
    cart = await person.fill(await shop.product(stock=1))
    with calling(caller=person.caller, key=cart.id, timeout=0.2), pytest.raises(StillRunning) as caught:
        await shop.orders.checkout(cart.id, cart.version, LATE, EMAIL, ADDRESS)

    async def promised() -> bool:
        return any([await shop.bank.entries(order.id) for order in (await person.ask(shop.orders.mine)).items])

    await until(promised)
    assert caught.value.saga is not None
    return cart, caught.value.saga


async def test_a_checkout_that_outlasts_its_customer_is_finished_all_the_same(shop: Shop) -> None:
    ann = shop.customer()
    cart, saga = await begun(shop, ann)
    await shop.quiet()
    status = await shop.running.door.saga("orders", saga, caller=ann.caller)
    assert status is not None and status.state == "done" and status.answer["status"] == "paid"
    [order] = (await ann.ask(shop.orders.mine)).items
    assert (await ann.buy(cart, LATE, key=cart.id)).id == order.id == status.answer["id"]
    await shop.check()


@pytest.mark.parametrize("module", ["orders", "payments", "inventory", "carts"])
async def test_a_charge_that_was_not_written_down_survives_the_stop_of_a_service(shop: Shop, module: str) -> None:
    ann = shop.customer()
    cart, _ = await begun(shop, ann)
    home = shop.home_of(module)
    await shop.running.close(home)
    await asyncio.sleep(0.1)
    await shop.running.open(home)
    shop.connect(shop.running)
    order = await ann.buy(cart, LATE, key=cart.id)
    assert order.status == "paid" and (await ann.ask(shop.orders.mine)).items == (order,)
    [entry] = await shop.bank.entries(order.id)
    assert entry["net"] == order.totals.total.amount
    await shop.check()


async def test_nothing_is_charged_for_an_order_whose_store_was_away(shop: Shop) -> None:
    ann = shop.customer()
    cart, home = await ann.fill(await shop.product(stock=1)), shop.home_of("orders")
    if shop.running.link == "local" and len(shop.running.topology.services) == 1:
        pytest.skip("a plain call cannot miss the process that makes it")
    await shop.running.close(home)
    with calling(caller=ann.caller, key="nobody-home", timeout=0.3), pytest.raises(NotRun):
        await shop.orders.checkout(cart.id, cart.version, "pm_card_visa", EMAIL, ADDRESS)
    await shop.running.open(home)
    shop.connect(shop.running)
    assert (await ann.ask(shop.orders.mine)).items == ()
    assert (await ann.buy(await ann.ask(shop.carts.mine))).status == "paid"
    await shop.check()

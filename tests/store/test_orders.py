"""S11 and S12: an order goes one legal way, whoever pulls at it at the same time, and comes to an end; everywhere."""

from __future__ import annotations

import asyncio

import pytest

from apps.store.money import Money
from apps.store.orders.contract import InvalidTransition, Order, OrderBusy
from apps.store.payments.contract import CardDeclined, PaymentEnded, RefundTooLarge
from tests.store.shop import HOLD, Person, Shop, at_once, everywhere, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def again(person: Person, shop: Shop, order: Order) -> Order:
    """Cancel an order, as often as it takes until nobody else has it in hand."""
    while True:
        try:
            return await person.ask(shop.orders.cancel, order.id)
        except OrderBusy:
            await asyncio.sleep(0.01)


@everywhere
async def test_an_order_is_either_shipped_or_cancelled(shop: Shop) -> None:
    sku, admin = await shop.product(stock=20), shop.admin
    for _ in range(3):
        ann = shop.customer()
        order = await ann.order_of(sku)
        found = await at_once([
            ann.ask(shop.orders.cancel, order.id), admin.ask(shop.orders.ship, order.id, "1Z"),
            admin.ask(shop.orders.cancel, order.id), admin.ask(shop.orders.ship, order.id, "2Z"),
        ])
        done = [one for one in found if isinstance(one, Order)]
        assert len(done) == 1 and all(isinstance(one, Order | OrderBusy | InvalidTransition) for one in found)
        after = await ann.ask(shop.orders.order, order.id)
        assert after.status == done[0].status and [c.status for c in after.history][:2] == ["submitted", "paid"]
        assert await shop.bank.net(order.id) == (0 if after.status == "cancelled" else after.totals.total.amount)
    await shop.check()


async def test_an_order_that_is_cancelled_from_all_sides_is_refunded_once(shop: Shop) -> None:
    sku, ann = await shop.product(stock=5), shop.customer()
    order = await ann.order_of(sku, card="pm_card_timeoutAfterRefund")
    found = await at_once(ann.ask(shop.orders.cancel, order.id) for _ in range(6))
    assert sum(isinstance(one, Order) for one in found) == 1
    [entry] = await shop.bank.entries(order.id)
    assert entry["refunded"] == entry["captured"] == order.totals.total.amount
    assert (await shop.admin.ask(shop.inventory.stock, sku)).on_hand == 5
    await shop.check()


async def test_refunds_at_the_same_time_give_back_no_more_than_was_paid(shop: Shop) -> None:
    ann, admin = shop.customer(), shop.admin
    order = await ann.order_of(await shop.product(price=1000))
    part = Money(order.totals.total.amount // 2)
    found: list[object] = []
    while not any(isinstance(one, RefundTooLarge) for one in found):
        found += await at_once(admin.ask(shop.orders.refund, order.id, part) for _ in range(3))
    assert sum(isinstance(one, Order) for one in found) == 2
    assert await shop.bank.net(order.id) == order.totals.total.amount - 2 * part.amount
    await shop.check()


async def test_a_refund_and_a_cancellation_together_give_back_what_was_paid(shop: Shop) -> None:
    for _ in range(3):
        ann = shop.customer()
        order = await ann.order_of(await shop.product(price=1000))
        await at_once([
            shop.admin.ask(shop.orders.refund, order.id, Money(300)), ann.ask(shop.orders.cancel, order.id),
        ])
        if await ann.status_of(order) == "paid":
            await again(ann, shop, order)
        after = await ann.ask(shop.orders.order, order.id)
        assert (after.status, after.refunded, await shop.bank.net(order.id)) == ("cancelled", after.totals.total, 0)
    await shop.check()


async def test_an_order_that_waits_for_the_bank_is_paid_or_cancelled_and_never_both(shop: Shop) -> None:
    sku = await shop.product(stock=20)
    for outcome in ("succeed", "succeed", "fail"):
        ann = shop.customer()
        waiting = await ann.order_of(sku, card="pm_card_authenticationRequired")
        await shop.bank.decide(waiting.action_url or "", outcome)
        shop.clock.forward(HOLD + 1)
        found = await at_once([
            ann.ask(shop.orders.resume, waiting.id), ann.ask(shop.orders.cancel, waiting.id),
            ann.ask(shop.orders.resume, waiting.id), shop.admin.ask(shop.orders.expire),
        ])
        assert all(isinstance(one, Order | int | CardDeclined | PaymentEnded | OrderBusy | InvalidTransition)
                   or "Reservation" in type(one).__name__ for one in found), found
        assert await ann.status_of(waiting) in (("paid", "cancelled") if outcome == "succeed" else ("cancelled",))
    await shop.check()


async def test_the_bank_decides_while_the_customer_gives_up(shop: Shop) -> None:
    for _ in range(3):
        ann = shop.customer()
        waiting = await ann.order_of(await shop.product(), card="pm_card_authenticationRequired")
        await asyncio.gather(
            shop.bank.decide(waiting.action_url or ""), ann.ask(shop.orders.cancel, waiting.id),
        )
        [entry] = await shop.bank.entries(waiting.id)
        assert (entry["status"], entry["net"]) == ("canceled", 0)
    await shop.check()


async def test_nobody_changes_an_order_while_it_is_checked_out(shop: Shop) -> None:
    ann = shop.customer()
    cart = await ann.fill(await shop.product())
    await shop.bank.control(next=[["capture", "slow"]], delay=0.4)
    buying = asyncio.create_task(ann.buy(cart))

    async def begun() -> bool:
        return bool((await ann.ask(shop.orders.mine)).items)

    await until(begun)
    [order] = (await ann.ask(shop.orders.mine)).items
    assert order.status == "submitted"
    tried = await at_once([
        ann.ask(shop.orders.cancel, order.id), ann.ask(shop.orders.resume, order.id),
        shop.admin.ask(shop.orders.ship, order.id), shop.admin.ask(shop.orders.refund, order.id, Money(1)),
    ])
    assert [type(one) for one in tried] == [OrderBusy] * 4
    assert (await buying).status == "paid"
    await shop.check()


@everywhere
async def test_what_is_left_waiting_comes_to_an_end_when_the_jobs_run(shop: Shop) -> None:
    sku = await shop.product(stock=9)
    people = [shop.customer() for _ in range(3)]
    waiting = [await person.order_of(sku, quantity=3, card="pm_card_authenticationRequired") for person in people]
    await shop.bank.decide(waiting[1].action_url or "")
    shop.clock.forward(HOLD + 1)
    await at_once([
        shop.admin.ask(shop.orders.expire), shop.admin.ask(shop.inventory.expire), shop.admin.ask(shop.carts.expire),
        shop.admin.ask(shop.orders.expire),
    ])
    await shop.admin.ask(shop.orders.expire)
    assert [await p.status_of(o) for p, o in zip(people, waiting, strict=True)] == ["cancelled"] * 3
    stock = await shop.admin.ask(shop.inventory.stock, sku)
    assert (stock.on_hand, stock.reserved) == (9, 0)
    await shop.check()

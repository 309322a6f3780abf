"""S1, S7 and S8: nothing is sold that is not there, and nothing is lost, in every structure."""

from __future__ import annotations

import asyncio

import pytest

from apps.store.inventory.contract import InsufficientStock, Line, ReservationEnded
from apps.store.orders.contract import Order
from tests.store.shop import HOLD, Person, Shop, at_once, everywhere, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@everywhere
@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_disconnectAfterAuthorize"])
async def test_k_buyers_of_the_last_unit_make_exactly_one_order(shop: Shop, card: str) -> None:
    sku = await shop.product(stock=1)
    found = await at_once(person.buy(cart, card) for person, cart in await shop.buyers(6, sku))
    sold = [one for one in found if isinstance(one, Order)]
    assert [order.status for order in sold] == ["paid"]
    assert {type(one) for one in found} == {Order, InsufficientStock}
    assert (await shop.admin.ask(shop.inventory.stock, sku)).on_hand == 0
    assert await shop.bank.net(sold[0].id) == sold[0].totals.total.amount
    await shop.check()


async def test_many_buyers_of_few_units_buy_all_of_them_and_no_more(shop: Shop) -> None:
    sku = await shop.product(stock=7)
    found = await at_once(person.buy(cart) for person, cart in await shop.buyers(5, sku, quantity=2))
    assert sum(isinstance(one, Order) for one in found) == 3
    stock = await shop.admin.ask(shop.inventory.stock, sku)
    assert (stock.on_hand, stock.reserved) == (1, 0)
    await shop.check()


async def test_what_a_declined_buyer_held_is_there_for_the_next(shop: Shop) -> None:
    sku = await shop.product(stock=1)
    [(ann, cart), (bob, other)] = await shop.buyers(2, sku)
    found = await at_once([ann.buy(cart, "pm_card_chargeDeclined"), bob.buy(other)])
    if not isinstance(found[1], Order):
        assert isinstance(found[1], InsufficientStock)  # it came while ann held the last one
        await bob.buy(other)
    assert (await shop.admin.ask(shop.inventory.stock, sku)).on_hand == 0
    await shop.check()


@everywhere
async def test_stock_is_conserved_by_all_that_may_happen_to_it_at_once(shop: Shop) -> None:
    sku, admin = await shop.product(stock=20), shop.admin
    paid = [await person.buy(cart) for person, cart in await shop.buyers(3, sku, quantity=2)]
    new = await shop.buyers(4, sku, quantity=3)
    found = await at_once([
        *(person.buy(cart, card) for (person, cart), card in zip(new, CARDS, strict=True)),
        *(admin.ask(shop.orders.cancel, order.id) for order in paid[:2]),
        admin.ask(shop.inventory.adjust, sku, -4, "broken"), admin.ask(shop.inventory.restock, sku, 5),
        admin.ask(shop.inventory.adjust, sku, -1000), admin.ask(shop.orders.ship, paid[2].id),
    ])
    sold = 6 - 4 + sum(3 for one in found[:4] if isinstance(one, Order) and one.status == "paid")
    assert isinstance(found[-2], InsufficientStock)
    assert (await admin.ask(shop.inventory.stock, sku)).on_hand == 20 - 4 + 5 - sold
    await shop.check()


CARDS = ("pm_card_visa", "pm_card_chargeDeclined", "pm_card_disconnectAfterCharge", "pm_card_authenticationRequired")


async def test_what_is_promised_to_orders_cannot_be_counted_away(shop: Shop) -> None:
    sku = await shop.product(stock=3)
    await shop.customer().order_of(sku, quantity=2, card="pm_card_authenticationRequired")
    with pytest.raises(InsufficientStock):
        await shop.admin.ask(shop.inventory.adjust, sku, -2)
    assert (await shop.admin.ask(shop.inventory.adjust, sku, -1)).available == 0
    await shop.check()


async def slow_checkout(shop: Shop, person: Person, sku: str) -> asyncio.Task[Order]:
    """A checkout whose stock is held, and whose bank is slow to answer."""
    cart = await person.fill(sku)
    await shop.bank.control(next=[["authorize", "slow"]], delay=0.35)
    buying = asyncio.create_task(person.buy(cart))

    async def held() -> bool:
        return (await shop.admin.ask(shop.inventory.stock, sku)).reserved > 0

    await until(held)
    return buying


@everywhere
async def test_a_hold_that_runs_out_while_the_bank_is_asked_costs_nobody_anything(shop: Shop) -> None:
    sku, ann, bob = await shop.product(stock=1), shop.customer(), shop.customer()
    buying = await slow_checkout(shop, ann, sku)
    shop.clock.forward(HOLD + 1)
    assert (await bob.order_of(sku)).status == "paid"
    with pytest.raises(ReservationEnded):
        await buying
    [order] = (await ann.ask(shop.orders.mine)).items
    [entry] = await shop.bank.entries(order.id)
    assert (order.status, entry["status"], entry["net"]) == ("cancelled", "canceled", 0)
    await shop.check()


async def test_a_hold_that_runs_out_is_kept_while_nobody_else_needs_the_stock(shop: Shop) -> None:
    sku = await shop.product(stock=1)
    buying = await slow_checkout(shop, shop.customer(), sku)
    shop.clock.forward(HOLD + 1)
    assert (await buying).status == "paid"
    await shop.check()


@everywhere
async def test_an_order_that_waited_longer_than_its_stock_is_cancelled_and_its_payment_given_up(shop: Shop) -> None:
    sku, ann, bob = await shop.product(stock=1), shop.customer(), shop.customer()
    waiting = await ann.order_of(sku, card="pm_card_authenticationRequired")
    await shop.bank.decide(waiting.action_url or "")
    shop.clock.forward(HOLD + 1)
    assert (await bob.order_of(sku)).status == "paid"
    with pytest.raises(ReservationEnded):
        await ann.ask(shop.orders.resume, waiting.id)
    [entry] = await shop.bank.entries(waiting.id)
    assert (entry["status"], entry["net"]) == ("canceled", 0)
    assert (await ann.ask(shop.orders.order, waiting.id)).status == "cancelled"
    assert (await ann.ask(shop.carts.mine)).state == "open"
    await shop.check()


@everywhere
@pytest.mark.parametrize("secured", [False, True])
async def test_a_reservation_ends_in_one_way_whoever_ends_it(shop: Shop, secured: bool) -> None:
    sku, system, order = await shop.product(stock=5), shop.admin, f"order-{shop.guest().caller.subject}"
    await system.ask(shop.inventory.reserve, order, (Line(sku, 2),), HOLD)
    if secured:
        await system.ask(shop.inventory.secure, order)
    shop.clock.forward(HOLD + 1)
    inventory = shop.inventory
    found = await at_once([
        system.ask(inventory.commit, order), system.ask(inventory.release, order), system.ask(inventory.expire),
        system.ask(inventory.secure, order), system.ask(inventory.commit, order), system.ask(inventory.release, order),
    ])
    ended, stock = await system.ask(inventory.reservation, order), await system.ask(inventory.stock, sku)
    sold = [found[0], found[4]] == [None, None]
    assert ended.state == "committed" if sold else ended.state in ("released", "expired")
    assert not (secured and ended.state == "expired")
    assert (stock.on_hand, stock.reserved) == ((3, 0) if sold else (5, 0))
    await system.ask(inventory.release, order)
    assert await system.ask(inventory.reservation, order) == ended
    with pytest.raises(ReservationEnded):
        await system.ask(inventory.reserve, order, (Line(sku, 2),), HOLD)
    if sold:  # which no order of the store's has done: give it back, so that the books are in order
        await system.ask(inventory.take_back, order)

"""S6, S14, S15: what modules hear of each other, however it travels; in every structure."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable

import pytest

from apps.store.carts.contract import CartChanged, ProductUnavailable
from apps.store.inventory.contract import InsufficientStock, Line
from apps.store.money import Money
from apps.store.orders.contract import Order
from craton import Fault
from tests.store.shop import Person, Shop, at_once, everywhere
from tests.store.test_prices import reprice
from tests.store.unruly import unruly

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def discontinue(shop: Shop, sku: str) -> None:
    """Sell a product no longer."""
    now = await shop.admin.ask(shop.catalog.product, sku)
    await shop.admin.ask(shop.catalog.discontinue, sku, now.version)


# ---------------------------------------------------------------------- prices (S9, S14)


async def test_who_has_a_product_in_a_cart_is_told_of_its_new_price(shop: Shop) -> None:
    mug, pot, ann = await shop.product(price=1000), await shop.product(price=50), shop.customer()
    cart = await ann.fill(mug, pot)
    await reprice(shop, mug, 1200)
    await shop.settled()
    told = await ann.ask(shop.carts.mine)
    assert [(line.unit_price, line.price_now) for line in told.lines] == [
        (Money(1000), Money(1200)), (Money(50), None),
    ]
    assert (told.version, told.total) == (cart.version, cart.total)
    assert [line.price_now for line in (await ann.fill(mug)).lines] == [None, None]
    await reprice(shop, pot, 60)
    await reprice(shop, pot, 50)
    await shop.settled()
    assert [line.price_now for line in (await ann.ask(shop.carts.mine)).lines] == [None, None]
    await shop.check()


@everywhere
async def test_who_has_changed_a_price_never_sees_or_pays_the_old_one_again(shop: Shop) -> None:
    sku, ann = await shop.product(stock=50, price=1000), shop.customer()
    with unruly(shop.running, seed=1):
        for amount in (1100, 1200, 1300):
            await reprice(shop, sku, amount)
            assert (await ann.ask(shop.catalog.product, sku)).price == Money(amount)
            cart = await ann.ask(shop.carts.set_quantity, sku, 1)
            [line] = cart.lines
            assert (line.unit_price, line.price_now) == (Money(amount), None)
            assert (await ann.ask(shop.orders.quote)).totals.goods == Money(amount)
        assert (await ann.buy(cart)).totals.goods == Money(1300)
    await shop.check()


@everywhere
async def test_two_changes_of_a_price_are_never_seen_in_reverse_order(shop: Shop) -> None:
    sku, ann, bob = await shop.product(price=1000), shop.customer(), shop.customer()
    await ann.fill(sku)
    await bob.fill(sku)
    changing = True

    async def watch(person: Person) -> list[int]:
        seen: list[int] = []
        while changing or not seen:
            [line] = (await person.ask(shop.carts.mine)).lines
            seen.append((line.price_now or line.unit_price).amount)
            await asyncio.sleep(0)
        return seen

    async def change() -> None:
        nonlocal changing
        for amount in range(1001, 1013):
            await reprice(shop, sku, amount)
        changing = False

    with unruly(shop.running, seed=2):
        watching = asyncio.gather(watch(ann), watch(bob))
        await change()
        found = await watching
    for seen in found:
        assert seen == sorted(seen)
    await shop.settled()
    assert [line.price_now for line in (await ann.ask(shop.carts.mine)).lines] == [Money(1012)]
    await shop.check()


# ---------------------------------------------------------------------- what is no longer sold (S15)


@everywhere
async def test_what_is_no_longer_sold_leaves_carts_and_cannot_be_had(shop: Shop) -> None:
    mug, pot, ann = await shop.product(stock=9), await shop.product(), shop.customer()
    cart = await ann.fill(mug, pot)
    await discontinue(shop, mug)
    await shop.settled()
    after = await ann.ask(shop.carts.mine)
    assert ([line.sku for line in after.lines], [line.sku for line in after.withdrawn]) == ([pot], [mug])
    assert (after.version, after.total) == (cart.version + 1, Money(1000))
    with pytest.raises(CartChanged):
        await ann.buy(cart)
    with pytest.raises(InsufficientStock):
        await shop.admin.ask(shop.inventory.reserve, "order-of-nobody", (Line(mug, 1),))
    stock = await shop.admin.ask(shop.inventory.stock, mug)
    assert (stock.on_hand, stock.available, stock.discontinued) == (9, 0, True)
    assert (await shop.admin.ask(shop.inventory.adjust, mug, -4)).on_hand == 5
    order = await ann.buy(after)
    assert [line.sku for line in order.lines] == [pot]
    await shop.check()


async def test_a_cart_that_is_being_bought_loses_what_is_no_longer_sold_when_it_is_not_bought(shop: Shop) -> None:
    mug, pot, ann = await shop.product(), await shop.product(), shop.customer()
    order = await ann.order_of(mug, pot, card="pm_card_authenticationRequired")
    await discontinue(shop, mug)
    await shop.settled()
    assert len((await ann.ask(shop.carts.mine)).lines) == 2
    await ann.ask(shop.orders.cancel, order.id)
    await shop.settled()
    cart = await ann.ask(shop.carts.mine)
    assert ([line.sku for line in cart.lines], [line.sku for line in cart.withdrawn]) == ([pot], [mug])
    assert (await ann.ask(shop.carts.refresh)).withdrawn == ()
    await shop.check()


@everywhere
async def test_no_cart_keeps_what_was_put_into_it_while_it_was_taken_off_sale(shop: Shop) -> None:
    sku, people = await shop.product(stock=50), [shop.customer() for _ in range(8)]
    with unruly(shop.running, seed=3):
        found = await at_once([
            *(person.fill(sku) for person in people[:4]), discontinue(shop, sku),
            *(person.fill(sku) for person in people[4:]),
        ])
    assert {type(one) for one in found if isinstance(one, Fault)} <= {ProductUnavailable}
    await shop.settled()
    for person in people:
        assert (await person.ask(shop.carts.mine)).lines == ()
    await shop.check()


# ---------------------------------------------------------------------- events that travel badly (S6)


@everywhere
@pytest.mark.parametrize("seed", [1, 2])
async def test_events_that_come_twice_late_or_out_of_order_leave_what_they_would_have_left(
    shop: Shop, seed: int
) -> None:
    chance = random.Random(seed)
    skus = [await shop.product(stock=12, price=1000) for _ in range(4)]

    async def live(person: Person) -> list[Order]:
        """What somebody does in a shop."""
        bought = []
        for _ in range(2):
            card = chance.choice(("pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined"))
            found = await at_once([person.order_of(*chance.sample(skus, chance.randint(1, 3)), card=card)])
            bought += [one for one in found if isinstance(one, Order)]
        return bought

    async def administer() -> None:
        """What an administrator does meanwhile."""
        await reprice(shop, skus[0], 1100)
        await at_once([shop.admin.ask(shop.inventory.adjust, skus[1], -8)])
        await shop.admin.ask(shop.inventory.restock, skus[1], 4)
        await discontinue(shop, skus[3])

    def ship(order: Order) -> Awaitable[Order]:
        return shop.admin.ask(shop.orders.ship, order.id, "1Z")

    def cancel(order: Order) -> Awaitable[Order]:
        return shop.admin.ask(shop.orders.cancel, order.id)

    def refund(order: Order) -> Awaitable[Order]:
        return shop.admin.ask(shop.orders.refund, order.id, Money(7))

    with unruly(shop.running, seed) as transports:
        administering = asyncio.create_task(administer())
        found = await asyncio.gather(*(live(shop.guest()) for _ in range(4)))
        await administering
        orders = [order for bought in found for order in bought]
        await at_once([what(order) for order in orders for what in chance.sample((ship, cancel, refund), 2)])
        await shop.settled()
    assert sum(transport.done for transport in transports) > 0
    await shop.check()



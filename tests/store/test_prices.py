"""S9: what a customer was shown is what they pay, or they are asked again; in every structure."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest

from apps.store.carts.contract import CartChanged, ProductUnavailable
from apps.store.catalog.contract import DEAREST, InvalidPrice
from apps.store.money import Money
from apps.store.orders.contract import Order, PriceChange, PriceChanged
from craton import Fault
from tests.store.shop import Shop, at_once, everywhere

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def reprice(shop: Shop, sku: str, amount: int) -> None:
    """Ask another price, whatever it was."""
    now = await shop.admin.ask(shop.catalog.product, sku)
    await shop.admin.ask(shop.catalog.change_price, sku, Money(amount), now.version)


async def test_a_price_that_changed_is_shown_before_anything_is_charged(shop: Shop) -> None:
    mug, pot, ann = await shop.product(price=1000), await shop.product(price=4000), shop.customer()
    cart = await ann.fill(mug, pot)
    await reprice(shop, mug, 1100)
    with pytest.raises(PriceChanged) as changed:
        await ann.buy(cart)
    assert changed.value.lines == (PriceChange(mug, Money(1000), Money(1100)),)
    assert (await ann.ask(shop.orders.mine)).items == ()
    fresh = await ann.ask(shop.carts.refresh)
    assert (fresh.version, fresh.total) == (cart.version + 1, Money(5100))
    assert (await ann.buy(fresh)).totals.goods == Money(5100)
    await shop.check()


async def test_an_order_keeps_the_prices_it_was_made_at(shop: Shop) -> None:
    sku, ann = await shop.product(price=1000), shop.customer()
    order = await ann.order_of(sku, quantity=3)
    waiting = await ann.order_of(sku, card="pm_card_authenticationRequired")
    await reprice(shop, sku, 9999)
    assert await ann.ask(shop.orders.order, order.id) == order
    await shop.bank.decide(waiting.action_url or "")
    paid = await ann.ask(shop.orders.resume, waiting.id)
    assert (paid.lines, paid.totals) == (waiting.lines, waiting.totals)
    await shop.check()


@everywhere
async def test_whoever_buys_while_prices_change_pays_a_price_they_were_shown(shop: Shop) -> None:
    sku = await shop.product(stock=20, price=1000)
    people = await shop.buyers(6, sku)
    found = await at_once([*(person.buy(cart) for person, cart in people), reprice(shop, sku, 1500)])
    orders = [one for one in found if isinstance(one, Order)]
    assert {order.totals.goods for order in orders} <= {Money(1000)}
    assert {type(one) for one in found if isinstance(one, Fault)} <= {PriceChanged}
    for person, _ in people:
        if not (await person.ask(shop.orders.mine)).items:
            assert (await person.buy(await person.ask(shop.carts.refresh))).totals.goods == Money(1500)
    await shop.check()


async def test_what_is_no_longer_sold_is_not_bought(shop: Shop) -> None:
    mug, pot, ann = await shop.product(), await shop.product(), shop.customer()
    cart = await ann.fill(mug, pot)
    await shop.admin.ask(shop.catalog.discontinue, mug, 1)
    with pytest.raises((PriceChanged, CartChanged)) as changed:
        await ann.buy(cart)
    if isinstance(changed.value, PriceChanged):  # the carts had not heard of it yet
        assert changed.value.lines == (PriceChange(mug, Money(1000), None),)
    with pytest.raises(ProductUnavailable):
        await ann.fill(mug)
    order = await ann.buy(await ann.ask(shop.carts.refresh))
    assert [line.sku for line in order.lines] == [pot]
    await shop.check()


@pytest.mark.parametrize(("price", "quantity"), [(1, 1), (303, 1), (1234, 7), (3333, 3), (9999, 1), (10000, 1), (0, 2)])
async def test_a_total_is_goods_shipping_and_tax_to_the_cent(shop: Shop, price: int, quantity: int) -> None:
    order = await shop.customer().order_of(await shop.product(price=price), quantity=quantity)
    goods = Decimal(price * quantity)
    tax = (goods * Decimal("0.0825")).quantize(Decimal(1), ROUND_HALF_UP)
    shipping = 0 if goods >= 10_000 else 599
    totals = order.totals
    assert (totals.goods, totals.shipping, totals.tax) == (Money(int(goods)), Money(shipping), Money(int(tax)))
    assert totals.total == Money(int(goods + shipping + tax))
    assert await shop.bank.net(order.id) == totals.total.amount


async def test_the_dearest_cart_costs_the_same_in_every_structure(shop: Shop) -> None:
    ann, sku = shop.customer(), await shop.product(price=DEAREST)
    cart = await ann.fill(sku, await shop.product(price=DEAREST), quantity=99)
    assert cart.total == Money(2 * 99 * DEAREST)
    assert (await ann.ask(shop.orders.quote)).totals.goods == cart.total
    for amount in (-1, DEAREST + 1, 10**15):
        with pytest.raises(InvalidPrice):
            await reprice(shop, sku, amount)

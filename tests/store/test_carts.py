"""S10: no line is lost or doubled, and what has expired, or is being bought, is left alone; in every structure."""

from __future__ import annotations

import pytest

from apps.store.carts.contract import (
    Cart,
    CartChanged,
    CartClosed,
    CartExpired,
    CartFrozen,
    CartNotFound,
    EmptyCart,
    NotAGuest,
    QuantityLimit,
)
from apps.store.orders.contract import Order
from craton import Secret
from tests.store.shop import CART_LIFETIME, Shop, at_once, everywhere

pytestmark = pytest.mark.asyncio(loop_scope="session")


def quantities(cart: Cart) -> dict[str, int]:
    """What is in a cart."""
    return {line.sku: line.quantity for line in cart.lines}


async def test_what_is_added_from_several_windows_at_once_is_all_there(shop: Shop) -> None:
    mug, pot, ann = await shop.product(), await shop.product(), shop.customer()
    added = await at_once(ann.ask(shop.carts.add, sku, 2) for sku in (mug, pot) * 4)
    versions = sorted(one.version for one in added if isinstance(one, Cart))
    assert versions == list(range(1, 9))
    cart = await ann.ask(shop.carts.mine)
    assert (quantities(cart), cart.version) == ({mug: 8, pot: 8}, 8)


@everywhere
async def test_a_merge_loses_no_line_and_doubles_none_however_often_it_is_asked_for(shop: Shop) -> None:
    mug, pot, guest, ann = await shop.product(), await shop.product(), shop.guest(), shop.customer()
    await guest.fill(mug, pot, quantity=3)
    await ann.fill(mug, quantity=2)
    await at_once([*(ann.ask(shop.carts.merge, guest.token) for _ in range(4)), ann.ask(shop.carts.add, pot, 1)])
    assert quantities(await ann.ask(shop.carts.mine)) == {mug: 5, pot: 4}
    assert (await guest.ask(shop.carts.mine)).lines == ()
    await guest.fill(mug)
    assert quantities(await ann.ask(shop.carts.merge, guest.token)) == {mug: 6, pot: 4}


async def test_a_guests_cart_goes_to_one_customer_alone(shop: Shop) -> None:
    sku, guest, people = await shop.product(), shop.guest(), [shop.customer() for _ in range(4)]
    await guest.fill(sku, quantity=3)
    await at_once(person.ask(shop.carts.merge, guest.token) for person in people)
    carts = [await person.ask(shop.carts.mine) for person in (guest, *people)]
    assert sum(quantities(cart).get(sku, 0) for cart in carts) == 3


@everywhere
async def test_a_guests_cart_is_either_bought_or_merged(shop: Shop) -> None:
    sku = await shop.product(stock=50)
    for _ in range(3):
        guest, ann = shop.guest(), shop.customer()
        cart = await guest.fill(sku)
        bought, merged = await at_once([guest.buy(cart), ann.ask(shop.carts.merge, guest.token)])
        mine = quantities(await ann.ask(shop.carts.mine)).get(sku, 0)
        assert isinstance(bought, Order | CartExpired | CartNotFound)
        assert isinstance(merged, Cart | CartFrozen)
        assert mine == (0 if isinstance(bought, Order) else 1)
    await shop.check()


async def test_a_merge_holds_no_more_than_a_cart_may(shop: Shop) -> None:
    sku, guest, ann = await shop.product(), shop.guest(), shop.customer()
    await guest.fill(sku, quantity=60)
    await ann.fill(sku, quantity=60)
    assert quantities(await ann.ask(shop.carts.merge, guest.token)) == {sku: 99}
    with pytest.raises(QuantityLimit):
        await ann.fill(sku)


async def test_nobody_merges_a_cart_with_a_token_that_is_no_guests(shop: Shop) -> None:
    sku, bob, ann = await shop.product(), shop.customer(), shop.customer()
    await bob.fill(sku)
    for token in (bob.token, Secret(""), Secret("guest:1"), Secret(bob.token.reveal()[:-3])):
        with pytest.raises(NotAGuest):
            await ann.ask(shop.carts.merge, token)
    assert quantities(await bob.ask(shop.carts.mine)) == {sku: 1}


async def test_a_cart_that_was_left_alone_too_long_cannot_be_bought(shop: Shop) -> None:
    sku, ann, guest = await shop.product(stock=1), shop.customer(), shop.guest()
    cart = await ann.fill(sku)
    await guest.fill(sku)
    token = guest.token
    shop.clock.forward(CART_LIFETIME + 1)
    assert (await ann.ask(shop.carts.mine)).lines == ()
    with pytest.raises(CartExpired):
        await ann.buy(cart)
    with pytest.raises(NotAGuest):
        await ann.ask(shop.carts.merge, token)  # which is as old
    assert (await ann.ask(shop.carts.merge, guest.token)).lines == ()
    fresh = await ann.fill(sku)
    assert fresh.id != cart.id and quantities(fresh) == {sku: 1}
    assert (await shop.admin.ask(shop.inventory.stock, sku)).available == 1
    await shop.check()


async def test_a_cart_that_expires_while_it_is_bought_is_bought_or_expires(shop: Shop) -> None:
    sku = await shop.product(stock=5)
    ann, bob = shop.customer(), shop.customer()
    carts = [(person, await person.fill(sku)) for person in (ann, bob)]
    shop.clock.forward(CART_LIFETIME - 0.05)
    found = await at_once([*(p.buy(cart) for p, cart in carts), shop.admin.ask(shop.carts.expire)])
    assert all(isinstance(one, Order | CartExpired) for one in found[:2])
    shop.clock.forward(1)
    await shop.admin.ask(shop.carts.expire)
    sold = sum(isinstance(one, Order) for one in found)
    assert (await shop.admin.ask(shop.inventory.stock, sku)).on_hand == 5 - sold
    await shop.check()


async def test_a_cart_that_is_being_bought_cannot_be_changed(shop: Shop) -> None:
    sku, ann, guest = await shop.product(), shop.customer(), shop.guest()
    waiting = await ann.order_of(sku, card="pm_card_authenticationRequired")
    await guest.fill(sku)
    carts, ask = shop.carts, ann.ask
    changes = [ask(carts.add, sku), ask(carts.set_quantity, sku, 5), ask(carts.remove, sku), ask(carts.clear),
               ask(carts.refresh), ask(carts.merge, guest.token)]
    for change in changes:
        with pytest.raises(CartFrozen) as frozen:
            await change
        assert frozen.value.order == waiting.id
    assert quantities(await guest.ask(carts.mine)) == {sku: 1}
    shop.clock.forward(CART_LIFETIME + 1)
    assert (await ask(carts.mine)).state == "frozen"
    await ask(shop.orders.cancel, waiting.id)
    assert quantities(await ask(carts.add, sku)) == {sku: 2}
    await shop.check()


async def test_only_the_cart_that_was_looked_at_is_bought(shop: Shop) -> None:
    sku, ann = await shop.product(), shop.customer()
    seen = await ann.fill(sku)
    cart = await ann.fill(sku)
    with pytest.raises(CartChanged) as changed:
        await ann.buy(seen)
    assert changed.value.version == cart.version
    order = await ann.buy(cart)
    with pytest.raises(CartClosed) as closed:
        await ann.buy(cart)
    assert closed.value.order == order.id
    await ann.fill(sku)
    empty = await ann.ask(shop.carts.clear)
    with pytest.raises(EmptyCart):
        await ann.buy(empty)
    await shop.check()


async def test_a_change_that_races_with_a_checkout_is_in_the_order_or_in_the_next_cart(shop: Shop) -> None:
    sku = await shop.product(stock=50)
    for _ in range(3):
        ann = shop.customer()
        cart = await ann.fill(sku)
        bought, added = await at_once([ann.buy(cart), ann.ask(shop.carts.add, sku, 2)])
        left = quantities(await ann.ask(shop.carts.mine)).get(sku, 0)
        ordered = sum(line.quantity for line in bought.lines) if isinstance(bought, Order) else 0
        assert isinstance(bought, Order | CartChanged) and isinstance(added, Cart | CartFrozen)
        assert ordered + left == 1 + (2 if isinstance(added, Cart) else 0)
    await shop.check()

"""What customers and administrators do every day, in every structure."""

from __future__ import annotations

import pytest

from apps.store.inventory.contract import Stock
from apps.store.money import Money
from apps.store.orders.contract import InvalidTransition
from apps.store.payments.contract import CardDeclined, RefundTooLarge
from apps.store.users.contract import InvalidCredentials, Users
from craton import Secret
from tests.store.shop import HOLD, Person, Shop, everywhere

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def left(shop: Shop, sku: str) -> tuple[int, int]:
    """How much of a product there is, and how much of it is reserved."""
    found: Stock = await shop.admin.ask(shop.inventory.stock, sku)
    return found.on_hand, found.reserved


@everywhere
async def test_a_customer_registers_signs_in_and_buys(shop: Shop) -> None:
    users, sku, visitor = shop.running.get(Users), await shop.product(stock=5, price=1234), shop.guest()
    email = f"{sku}@example.com"
    account = await visitor.ask(users.register, email.upper(), Secret("correct horse"), "Ann")
    with pytest.raises(InvalidCredentials):
        await visitor.ask(users.login, email, Secret("wrong horse"))
    session = await visitor.ask(users.login, email, Secret("correct horse"))
    ann = Person(shop, shop.tokens.verify(session.token.reveal()))
    assert ann.caller.subject == account.subject and (await ann.ask(users.me)) == account
    order = await ann.order_of(sku, quantity=2)
    assert (order.status, order.owner, order.totals.goods) == ("paid", account.subject, Money(2468))
    assert await shop.bank.net(order.id) == order.totals.total.amount
    assert await left(shop, sku) == (3, 0)
    assert (await ann.ask(shop.orders.mine)).items == (order,)
    assert (await ann.ask(shop.carts.mine)).lines == ()
    await shop.check()


async def test_a_guest_buys_without_an_account(shop: Shop) -> None:
    sku = await shop.product(stock=1)
    session = await shop.guest().ask(shop.running.get(Users).guest)
    guest = Person(shop, shop.tokens.verify(session.token.reveal()))
    order = await guest.order_of(sku)
    assert (order.status, order.owner) == ("paid", session.subject)
    await shop.check()


@everywhere
async def test_a_guests_cart_is_the_customers_after_signing_in(shop: Shop) -> None:
    mug, pot = await shop.product(), await shop.product()
    guest, ann = shop.guest(), shop.customer()
    await guest.fill(mug, pot, quantity=2)
    await ann.fill(mug)
    merged = await ann.ask(shop.carts.merge, guest.token)
    assert {line.sku: line.quantity for line in merged.lines} == {mug: 3, pot: 2}
    assert (await guest.ask(shop.carts.mine)).lines == ()
    order = await ann.buy(merged)
    assert order.totals.goods == Money(5000)
    await shop.check()


async def test_a_quote_is_what_the_order_will_cost(shop: Shop) -> None:
    ann = shop.customer()
    cart = await ann.fill(await shop.product(price=1999), await shop.product(price=333), quantity=3)
    quote = await ann.ask(shop.orders.quote)
    assert (quote.cart, quote.version) == (cart.id, cart.version)
    order = await ann.buy(cart)
    assert (order.lines, order.totals) == (quote.lines, quote.totals)


@everywhere
async def test_an_order_that_is_cancelled_gives_back_its_money_once_and_its_goods(shop: Shop) -> None:
    sku, ann = await shop.product(stock=5), shop.customer()
    order = await ann.order_of(sku, quantity=2)
    cancelled = await ann.ask(shop.orders.cancel, order.id, "changed my mind")
    assert (cancelled.status, cancelled.refunded) == ("cancelled", order.totals.total)
    assert [change.status for change in cancelled.history] == ["submitted", "paid", "cancelled"]
    [entry] = await shop.bank.entries(order.id)
    assert (entry["captured"], entry["refunded"]) == (order.totals.total.amount, order.totals.total.amount)
    assert await left(shop, sku) == (5, 0)
    with pytest.raises(InvalidTransition):
        await ann.ask(shop.orders.cancel, order.id)
    await shop.check()


async def test_money_is_given_back_in_parts_and_never_more_than_was_paid(shop: Shop) -> None:
    ann = shop.customer()
    order = await ann.order_of(await shop.product(price=5000))
    total = order.totals.total.amount
    for amount in (1000, 500):
        given = await shop.admin.ask(shop.orders.refund, order.id, Money(amount), "a scratch")
    assert (given.status, given.refunded) == ("paid", Money(1500))
    for amount in (total - 1499, 0, -1):
        with pytest.raises(RefundTooLarge) as refused:
            await shop.admin.ask(shop.orders.refund, order.id, Money(amount))
        assert refused.value.left == Money(total - 1500)
    assert await shop.bank.net(order.id) == total - 1500
    cancelled = await ann.ask(shop.orders.cancel, order.id)
    assert (cancelled.refunded, await shop.bank.net(order.id)) == (order.totals.total, 0)
    await shop.check()


@everywhere
async def test_a_shipped_order_can_be_refunded_and_no_longer_cancelled(shop: Shop) -> None:
    sku, ann = await shop.product(stock=1), shop.customer()
    order = await ann.order_of(sku)
    shipped = await shop.admin.ask(shop.orders.ship, order.id, "1Z999")
    assert (shipped.status, shipped.tracking) == ("shipped", "1Z999")
    with pytest.raises(InvalidTransition):
        await ann.ask(shop.orders.cancel, order.id)
    refunded = await shop.admin.ask(shop.orders.refund, order.id, order.totals.total)
    assert (refunded.status, refunded.refunded) == ("shipped", order.totals.total)
    assert (await left(shop, sku), await shop.bank.net(order.id)) == ((0, 0), 0)
    await shop.check()


@everywhere
async def test_a_declined_card_leaves_nothing_but_a_cart_to_be_bought_with_another(shop: Shop) -> None:
    sku, ann = await shop.product(stock=1), shop.customer()
    cart = await ann.fill(sku)
    for card, code in (("pm_card_chargeDeclined", "generic_decline"), ("no-such-card", "invalid_payment_method")):
        with pytest.raises(CardDeclined) as declined:
            await ann.buy(cart, card)
        assert declined.value.code == code
        assert await left(shop, sku) == (1, 0)
        assert (await ann.ask(shop.carts.mine)).lines == cart.lines
    order = await ann.buy(cart)
    assert [o.status for o in (await ann.ask(shop.orders.mine)).items] == ["paid", "cancelled", "cancelled"]
    assert await shop.bank.net(order.id) == order.totals.total.amount
    await shop.check()


@everywhere
async def test_an_order_waits_for_the_customers_bank_and_is_paid_after_the_visit(shop: Shop) -> None:
    sku, ann = await shop.product(stock=1), shop.customer()
    waiting = await ann.order_of(sku, card="pm_card_authenticationRequired")
    assert waiting.status == "stock_confirmed" and waiting.action_url
    assert (await left(shop, sku), await shop.bank.net(waiting.id)) == ((1, 1), 0)
    assert (await ann.ask(shop.orders.resume, waiting.id)).status == "stock_confirmed"
    await shop.check()
    await shop.bank.decide(waiting.action_url)
    paid = await ann.ask(shop.orders.resume, waiting.id)
    assert (paid.status, paid.action_url) == ("paid", None)
    assert (await left(shop, sku), await shop.bank.net(paid.id)) == ((0, 0), paid.totals.total.amount)
    await shop.check()


async def test_a_customer_whom_the_bank_refuses_has_no_order_and_keeps_the_cart(shop: Shop) -> None:
    sku, ann = await shop.product(stock=1), shop.customer()
    cart = await ann.fill(sku)
    waiting = await ann.buy(cart, "pm_card_authenticationRequired")
    await shop.bank.decide(waiting.action_url or "", "fail")
    with pytest.raises(CardDeclined):
        await ann.ask(shop.orders.resume, waiting.id)
    assert (await ann.ask(shop.orders.order, waiting.id)).status == "cancelled"
    assert (await left(shop, sku), (await ann.ask(shop.carts.mine)).lines) == ((1, 0), cart.lines)
    await shop.check()


async def test_an_order_that_waits_for_the_bank_can_be_cancelled(shop: Shop) -> None:
    sku, ann = await shop.product(stock=1), shop.customer()
    waiting = await ann.order_of(sku, card="pm_card_authenticationRequired")
    cancelled = await ann.ask(shop.orders.cancel, waiting.id)
    assert (cancelled.status, cancelled.refunded) == ("cancelled", Money(0))
    assert await left(shop, sku) == (1, 0)
    with pytest.raises(InvalidTransition):
        await ann.ask(shop.orders.resume, waiting.id)
    assert (await ann.buy(await ann.ask(shop.carts.mine))).status == "paid"
    await shop.check()


async def test_an_order_whose_customer_never_comes_back_is_cancelled(shop: Shop) -> None:
    sku, ann = await shop.product(stock=2), shop.customer()
    gone = [await shop.customer().order_of(sku, card="pm_card_authenticationRequired") for _ in range(2)]
    assert await left(shop, sku) == (2, 2)
    shop.clock.forward(HOLD + 1)
    young = await ann.order_of(await shop.product(), card="pm_card_authenticationRequired")
    assert await shop.admin.ask(shop.orders.expire) >= 2
    assert [(await shop.admin.ask(shop.orders.order, o.id)).status for o in gone] == ["cancelled", "cancelled"]
    assert (await shop.admin.ask(shop.orders.order, young.id)).status == "stock_confirmed"
    assert await left(shop, sku) == (2, 0)
    await shop.check()

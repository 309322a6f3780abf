"""S11, S16 and S18: what is paid goes out, once, to whom it belongs; what is cancelled does not; in every structure."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from apps.store.money import Money
from apps.store.orders.contract import Order
from apps.store.shipping.contract import Offer, ShipmentNotFound
from craton import Fault
from tests.store.shop import ADDRESS, Person, Shop, at_once, everywhere

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def waiting(shop: Shop) -> list[str]:
    """The orders that are to be sent, as the administrator reads them page by page."""
    await shop.settled()
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await shop.admin.ask(shop.shipping.shipments, "waiting", 2, cursor)
        found += [shipment.order for shipment in page.items]
        if (cursor := page.next_cursor) is None:
            return found


async def state_of(person: Person, order: Order) -> str:
    """How far an order's shipment is."""
    await person.shop.settled()
    return (await person.ask(person.shop.shipping.shipment, order.id)).state


@everywhere
async def test_what_is_paid_is_to_be_sent_until_it_is(shop: Shop) -> None:
    sku, ann = await shop.product(), shop.customer()
    orders = [await ann.order_of(sku) for _ in range(3)]
    assert [order for order in await waiting(shop) if order in {o.id for o in orders}] == [o.id for o in orders]
    await shop.admin.ask(shop.orders.ship, orders[0].id, "1Z")
    await ann.ask(shop.orders.cancel, orders[1].id)
    assert [await state_of(ann, order) for order in orders] == ["sent", "stopped", "waiting"]
    shipment = await ann.ask(shop.shipping.shipment, orders[0].id)
    assert (shipment.tracking, shipment.address, shipment.lines) == ("1Z", ADDRESS, orders[0].lines)
    assert orders[2].id in await waiting(shop)
    await shop.check()


async def test_what_was_never_paid_does_not_go_out(shop: Shop) -> None:
    ann = shop.customer()
    order = await ann.order_of(await shop.product(), card="pm_card_authenticationRequired")
    await ann.ask(shop.orders.cancel, order.id)
    with pytest.raises(ShipmentNotFound):
        await state_of(shop.admin, order)
    await shop.check()


async def test_nobody_sees_what_goes_to_others(shop: Shop) -> None:
    ann, bob = shop.customer(), shop.customer()
    order = await ann.order_of(await shop.product())
    assert await state_of(ann, order) == await state_of(shop.admin, order) == "waiting"
    with pytest.raises(ShipmentNotFound):
        await state_of(bob, order)
    async with shop.browser(bob) as http:
        assert (await http.get("/admin/shipments")).status_code == 403


@pytest.mark.parametrize("cursor", ["x", "nan_order", "1_%00", "_"])
async def test_a_cursor_that_no_list_gave_out_is_refused(shop: Shop, cursor: str) -> None:
    async with shop.browser(shop.admin) as http:
        for path in ("/admin/shipments", "/admin/messages", "/admin/orders"):
            assert (await http.get(f"{path}?cursor={cursor}")).status_code == 422


async def test_sending_costs_what_the_country_and_the_goods_say(shop: Shop) -> None:
    ann, home = shop.customer(), await shop.guest().ask(shop.shipping.quote, "US", Money(9_999))
    assert home == Offer(Money(599), Money(10_000))
    cart = await ann.fill(await shop.product(price=10_000))
    assert (await ann.ask(shop.orders.quote)).totals.shipping == Money(0)
    assert (await ann.ask(shop.orders.quote, "NZ")).totals.shipping == Money(2499)
    order = await ann.buy(cart, address=replace(ADDRESS, country="NZ"))
    assert order.totals.shipping == Money(2499)
    assert order.totals.total.amount == 10_000 + 2499 + 825
    await shop.check()


@everywhere
async def test_an_order_is_shipped_or_cancelled_and_never_both(shop: Shop) -> None:
    sku, ann = await shop.product(stock=20), shop.customer()
    orders = [await ann.order_of(sku) for _ in range(4)]
    found = await at_once(
        [work for order in orders
         for work in (ann.ask(shop.orders.cancel, order.id), shop.admin.ask(shop.orders.ship, order.id))]
    )
    for number, order in enumerate(orders):
        done = [one.status for one in found[2 * number:2 * number + 2] if not isinstance(one, Fault)]
        assert len(done) == 1
        assert await state_of(ann, order) == {"cancelled": "stopped", "shipped": "sent"}[done[0]]
    await shop.check()

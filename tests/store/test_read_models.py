"""Lists of orders and daily takings say what the orders' events say, also when they are built anew while people buy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from apps.store.money import Money
from apps.store.orders.contract import Order
from craton import Projected
from tests.store.shop import Shop, everywhere

pytestmark = pytest.mark.asyncio(loop_scope="session")


def projections(shop: Shop) -> dict[str, Projected]:
    """Those of orders, by name."""
    process = next(p for p in shop.running.processes.values() if "orders" in p.hosted)
    return {projected.name: projected for projected in process.streams["orders"].projections}


async def listed(shop: Shop) -> AsyncIterator[Order]:
    """Every order, as the book has it."""
    cursor: str | None = None
    while True:
        page = await shop.admin.ask(shop.orders.all_orders, limit=100, cursor=cursor)
        for order in page.items:
            yield order
        if (cursor := page.next_cursor) is None:
            return


async def buy_and_regret(shop: Shop) -> Order:
    """Three orders: one kept with a part of its money given back, one cancelled, one shipped."""
    sku, ann = await shop.product(stock=20), shop.customer()
    kept, regretted, sent = [await ann.order_of(sku) for _ in range(3)]
    await shop.admin.ask(shop.orders.refund, kept.id, Money(100))
    await ann.ask(shop.orders.cancel, regretted.id)
    await shop.admin.ask(shop.orders.ship, sent.id, "1Z")
    return kept


async def test_the_book_shows_each_order_as_its_events_made_it(shop: Shop) -> None:
    order = await buy_and_regret(shop)
    found = {order.id: order async for order in listed(shop)}
    assert found[order.id].refunded == Money(100)
    for id in list(found)[:10]:
        assert found[id] == await shop.admin.ask(shop.orders.order, id)


async def test_takings_are_what_was_paid_and_given_back(shop: Shop) -> None:
    await buy_and_regret(shop)
    await projections(shop)["takings"].catch_up()
    days = await shop.admin.ask(shop.orders.takings)
    paid = [order async for order in listed(shop) if any(change.status == "paid" for change in order.history)]
    assert sum(day.orders for day in days) == len(paid) > 0
    assert sum(day.taken.amount for day in days) == sum(order.totals.total.amount for order in paid)
    assert sum(day.given_back.amount for day in days) == sum(order.refunded.amount for order in paid) > 0


@everywhere
async def test_read_models_are_built_anew_while_people_buy(shop: Shop) -> None:
    buying = [asyncio.create_task(buy_and_regret(shop)) for _ in range(4)]
    for name in ("book", "takings", "book"):
        await projections(shop)[name].rebuild()
    bought = await asyncio.gather(*buying)
    found = {order.id: order async for order in listed(shop)}
    assert {order.id for order in bought} <= found.keys()
    for id in list(found)[:20]:
        assert found[id] == await shop.admin.ask(shop.orders.order, id)
    await test_takings_are_what_was_paid_and_given_back(shop)
    await shop.check()

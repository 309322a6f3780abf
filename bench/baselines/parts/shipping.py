"""Shipping: what it costs to send goods, and what is to be sent."""

from __future__ import annotations

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from apps.store.shipping.tables import shipments
from bench.baselines.database import AsyncConnection
from bench.baselines.json import dumped
from bench.baselines.values import Money, Paid

RATES = {"US": (599, 10000), "CA": (1299, 20000), "MX": (1299, 20000)}
"""The price for a country, and the value of goods from which it is free."""
ELSEWHERE = (2499, 0)
PREPARE = insert(shipments).values(
    order_id=bindparam("order"), owner=bindparam("owner"), address=bindparam("address"), lines=bindparam("lines"),
    state="waiting", paid=bindparam("at"), tracking=None,
).on_conflict_do_nothing()


def price(country: str, goods: Money) -> Money:
    """What it costs to send goods of some value to a country."""
    amount, free_from = RATES.get(country, ELSEWHERE)
    return Money(0 if 0 < free_from <= goods.amount else amount, goods.currency)


async def prepare(db: AsyncConnection, paid: Paid) -> None:
    """What is paid is to be sent."""
    row = dict(order=paid.order, owner=paid.owner, at=paid.at, address=dumped(paid.address), lines=dumped(paid.lines))
    await db.execute(PREPARE, row)

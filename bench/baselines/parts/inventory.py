"""The inventory: stock on hand, and stock held for orders."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from sqlalchemy import any_, bindparam, func, insert, select, update

from apps.store.inventory.tables import lines, reservations, stock
from bench.baselines.database import AsyncConnection, numbers, texts
from bench.baselines.faults import Fault
from bench.baselines.values import Line, Stock

HOLD = 900
"""Seconds that stock is held for an order that is not paid yet."""
s, r = stock.c, reservations.c
STOCK = select(s.sku, s.on_hand - s.reserved, s.discontinued).where(s.sku == any_(texts("skus")))
LOCKED = STOCK.order_by(s.sku).with_for_update()  # in the order of their skus, so that orders do not wait in a circle
wanted = func.unnest(texts("skus"), numbers("quantities")).table_valued("sku", "quantity").render_derived(name="wanted")
RESERVE = update(stock).where(s.sku == wanted.c.sku).values(reserved=s.reserved + wanted.c.quantity)
NEW_RESERVATION = insert(reservations).values(order_id=bindparam("order"), state="held", expires=bindparam("until"))
NEW_LINES = insert(lines).from_select(
    ["order_id", "sku", "quantity"], select(bindparam("order"), wanted.c.sku, wanted.c.quantity)
)
MOVE = (
    update(reservations).where(r.order_id == bindparam("order"), r.state == "held").values(state=bindparam("to"))
    .returning(r.order_id)
)
STATE = select(r.state).where(r.order_id == bindparam("order"))
OF_ORDER = (s.sku == lines.c.sku, lines.c.order_id == bindparam("order"))
LOCK_OF_ORDER = select(s.sku).where(*OF_ORDER).order_by(s.sku).with_for_update(of=stock)
SELL = update(stock).where(*OF_ORDER).values(
    on_hand=s.on_hand - lines.c.quantity, reserved=s.reserved - lines.c.quantity
)
FREE = update(stock).where(*OF_ORDER).values(reserved=s.reserved - lines.c.quantity)


async def stock_of(db: AsyncConnection, skus: list[str]) -> list[Stock]:
    """How much there is of products."""
    found = await db.execute(STOCK, {"skus": skus}) if skus else ()
    return [Stock(sku, 0 if discontinued else left) for sku, left, discontinued in found]


async def reserve(db: AsyncConnection, order: str, bought: Iterable[Line]) -> None:
    """Hold stock for an order, all of it or none. In a transaction."""
    quantities = Counter[str]()
    for line in bought:
        quantities[line.sku] += line.quantity
    given = {"skus": [*quantities], "quantities": [*quantities.values()]}
    found = {sku: 0 if gone else left for sku, left, gone in await db.execute(LOCKED, {"skus": given["skus"]})}
    if any(found.get(sku, 0) < quantity for sku, quantity in quantities.items()):
        raise Fault("InsufficientStock")
    await db.execute(RESERVE, given)
    await db.execute(NEW_RESERVATION, {"order": order, "until": time.time() + HOLD})
    await db.execute(NEW_LINES, {"order": order, **given})


async def commit(db: AsyncConnection, order: str) -> None:
    """What was held is sold. In a transaction; twice is as good as once."""
    if (await db.execute(MOVE, {"order": order, "to": "committed"})).first():
        await db.execute(LOCK_OF_ORDER, {"order": order})
        await db.execute(SELL, {"order": order})
    elif (await db.execute(STATE, {"order": order})).scalar() != "committed":
        raise Fault("ReservationEnded")


async def release(db: AsyncConnection, order: str) -> None:
    """Nothing is held for this order any more. In a transaction."""
    if (await db.execute(MOVE, {"order": order, "to": "released"})).first():
        await db.execute(LOCK_OF_ORDER, {"order": order})
        await db.execute(FREE, {"order": order})

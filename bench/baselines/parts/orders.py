"""Orders: made of carts, and seen through."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from apps.store.orders.tables import BOOK
from bench.baselines.database import AsyncConnection
from bench.baselines.faults import Fault
from bench.baselines.json import dumped
from bench.baselines.parts import shipping
from bench.baselines.parts.inventory import HOLD
from bench.baselines.tables import keys
from bench.baselines.values import Address, Bought, Cart, Money, Order, OrderLine, Paid, Product, Totals, Wanted

TAX = 825
"""Hundredths of a percent."""
o, k = BOOK.orders.c, keys.c
CLAIM = upsert(keys).values(key=bindparam("key"), order_id=bindparam("order")).on_conflict_do_nothing().returning(k.key)
CLAIMED = select(o.id, o.status).join(keys, k.order_id == o.id).where(k.key == bindparam("key"))
UNCLAIM = delete(keys).where(k.order_id == bindparam("order"))
ENTER, ENTER_LINES, CHANGE = insert(BOOK.orders), insert(BOOK.lines), insert(BOOK.history)
MOVE = (
    update(BOOK.orders).where(o.id == bindparam("order"), o.status == "submitted")
    .values(status=bindparam("to"), busy="").returning(o.id)
)
ONE = select(BOOK.orders).where(o.id == bindparam("order"), o.owner == bindparam("owner"))
LINES = select(BOOK.lines).where(BOOK.lines.c.order_id == bindparam("order")).order_by(BOOK.lines.c.position)


async def claim(db: AsyncConnection, key: str, order: str) -> Bought | None:
    """Take a form's key for an order. Where another order has it, that one; it waits for one that is being made."""
    if (await db.execute(CLAIM, {"key": key, "order": order})).first():
        return None
    return await made(db, key) or busy()


async def made(db: AsyncConnection, key: str) -> Bought | None:
    """The order that a form has made."""
    row = (await db.execute(CLAIMED, {"key": key})).first()
    return Bought(row.id, row.status) if row else None


def busy() -> NoReturn:
    """Somebody else has the order in hand."""
    raise Fault("OrderBusy")


def priced(cart: Cart, products: Sequence[Product]) -> list[OrderLine]:
    """A cart as an order's lines, if its prices are still the prices."""
    now = {product.sku: product.price for product in products if product.status == "active"}
    if any(now.get(line.sku) != line.unit_price for line in cart.lines):
        raise Fault("PriceChanged")
    return [OrderLine(line.sku, line.name, line.quantity, line.unit_price) for line in cart.lines]


def totals_of(lines: Sequence[OrderLine], currency: str, sent: Money) -> Totals:
    """Goods, shipping, and the tax on goods."""
    goods = goods_of(lines, currency)
    tax = (goods.amount * TAX + 5_000) // 10_000
    return Totals(goods, sent, Money(tax, currency), Money(goods.amount + sent.amount + tax, currency))


def goods_of(lines: Sequence[OrderLine], currency: str) -> Money:
    """What the goods cost."""
    return Money(sum(line.unit_price.amount * line.quantity for line in lines), currency)


def quoted(lines: Sequence[OrderLine], currency: str, country: str) -> Totals:
    """What an order costs, where shipping is in the same process."""
    return totals_of(lines, currency, shipping.price(country, goods_of(lines, currency)))


async def enter(
    db: AsyncConnection, order: str, wanted: Wanted, *, lines: Sequence[OrderLine], totals: Totals
) -> Paid:
    """A new order; what will be told of it once it is paid. In a transaction."""
    now = time.time()
    await db.execute(ENTER, dict(
        id=order, owner=wanted.owner, cart=wanted.cart, email=wanted.email, address=dumped(wanted.address),
        currency=totals.total.currency, goods=totals.goods.amount, shipping=totals.shipping.amount,
        tax=totals.tax.amount, total=totals.total.amount, refunded=0, status="submitted", busy="checkout",
        action_url=None, tracking=None, placed=now, held_until=now + HOLD,
    ))
    await db.execute(ENTER_LINES, [
        dict(order_id=order, position=position, sku=line.sku, name=line.name, quantity=line.quantity,
             price=line.unit_price.amount)
        for position, line in enumerate(lines)
    ])
    await change(db, order, 0, status="submitted")
    return Paid(order, wanted.owner, wanted.cart, wanted.email, wanted.address, list(lines), totals.total, now)


async def move(db: AsyncConnection, order: str, status: str, note: str = "") -> None:
    """An order that is being bought is paid, or cancelled. In a transaction; twice is as good as once."""
    if (await db.execute(MOVE, {"order": order, "to": status})).first():
        await change(db, order, 1, status=status, note=note)


async def give_up(db: AsyncConnection, order: str) -> None:
    """The checkout failed: the form may be sent again. In a transaction."""
    await move(db, order, "cancelled", "the checkout failed")
    await db.execute(UNCLAIM, {"order": order})


async def change(db: AsyncConnection, order: str, position: int, *, status: str, note: str = "") -> None:
    """An order has come to have another status."""
    await db.execute(CHANGE, dict(order_id=order, position=position, status=status, at=time.time(), note=note))


async def order(db: AsyncConnection, id: str, owner: str) -> Order:
    """One order of a customer."""
    row = (await db.execute(ONE, {"order": id, "owner": owner})).first()
    if row is None:
        raise Fault("OrderNotFound", 404)
    return order_of(row, (await db.execute(LINES, {"order": id})).all())


def order_of(row: Any, lines: Sequence[Any]) -> Order:
    """An order as others see it."""
    bought = [OrderLine(one.sku, one.name, one.quantity, Money(one.price, row.currency)) for one in lines]
    totals = Totals(*(Money(amount, row.currency) for amount in (row.goods, row.shipping, row.tax, row.total)))
    return Order(
        row.id, row.owner, row.cart, row.email, Address(**json.loads(row.address)), bought, totals, row.status,
        datetime.fromtimestamp(row.placed, UTC), Money(row.refunded, row.currency), row.action_url, row.tracking,
    )

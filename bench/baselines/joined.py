"""What a monolith reads across its parts by joins, since their tables stand in one database: products, with how many
of each are left. Services ask each other instead."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Executable, all_, any_, bindparam, case, func, select

from apps.store.inventory.tables import stock
from apps.store.recommendations.tables import pairs
from apps.store.recommendations.tables import products as habits
from bench.baselines.database import AsyncConnection, texts
from bench.baselines.faults import Fault
from bench.baselines.parts import catalog
from bench.baselines.parts.catalog import p, product_of
from bench.baselines.parts.recommendations import CAN_BE_BOUGHT
from bench.baselines.shop import Shelf
from bench.baselines.values import Product, Stock

s, h, q = stock.c, habits.c, pairs.c
LEFT = case((s.discontinued, 0), else_=s.on_hand - s.reserved)
GOODS = select(*catalog.COLUMNS, LEFT).outerjoin(stock, s.sku == p.sku)
ONE = GOODS.where(p.sku == bindparam("sku"))
NEWEST = GOODS.where(p.status == "active").order_by(p.created.desc(), p.sku).limit(bindparam("most"))
SCORE = func.sum(q.orders)
ALSO = (
    select(q.other.label("sku"), SCORE.label("score")).join(habits, h.sku == q.other)
    .where(q.sku == any_(texts("given")), q.other != all_(texts("given")), *CAN_BE_BOUGHT)
    .group_by(q.other).order_by(SCORE.desc(), q.other).limit(bindparam("most")).subquery()
)
ALSO_GOODS = GOODS.join(ALSO, ALSO.c.sku == p.sku).order_by(ALSO.c.score.desc(), p.sku)
POPULAR_GOODS = (
    GOODS.join(habits, h.sku == p.sku).where(h.sold > 0, h.sku != all_(texts("given")), *CAN_BE_BOUGHT)
    .order_by(h.sold.desc(), h.sku).limit(bindparam("most"))
)


async def newest(db: AsyncConnection, limit: int) -> Shelf:
    """What has come in last."""
    return shelf_of(await rows(db, NEWEST, most=limit))


async def product(db: AsyncConnection, sku: str) -> tuple[Product, Stock | None]:
    """One product, and what there is of it."""
    found = await rows(db, ONE, sku=sku)
    if not found:
        raise Fault("ProductNotFound", 404)
    return product_of(found[0][:-1]), stock_of(found[0])


async def suggested(db: AsyncConnection, skus: list[str], limit: int) -> Shelf:
    """What was bought with products, and then what sells best."""
    found = await rows(db, ALSO_GOODS, given=skus, most=limit) if skus else []
    if len(found) < limit:
        known = [*skus, *(row[0] for row in found)]
        found += await rows(db, POPULAR_GOODS, given=known, most=limit - len(found))
    return shelf_of(found)


async def rows(db: AsyncConnection, statement: Executable, **given: Any) -> list[Any]:
    """What a statement finds."""
    return list((await db.execute(statement, given)).all())


def shelf_of(found: list[Any]) -> Shelf:
    """Rows as products side by side; those that are no longer sold are left out."""
    products = [product_of(row[:-1]) for row in found]
    counted = (stock_of(row) for row in found)
    return Shelf([one for one in products if one.status == "active"], {one.sku: one for one in counted if one})


def stock_of(row: Any) -> Stock | None:
    """How many of a product are left; None where the inventory does not know it."""
    return None if row[-1] is None else Stock(row[0], row[-1])

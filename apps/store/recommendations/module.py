"""Habits: counts what is bought together, and how much of everything."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any

from sqlalchemy import BindParameter, bindparam, false, func, insert, select, true, update

from apps.store.catalog.contract import ProductDiscontinued
from apps.store.inventory.contract import StockBack, StockOut
from apps.store.orders.events import OrderPaid
from apps.store.recommendations.contract import Limit, Recommendation, Recommendations, Skus
from apps.store.recommendations.tables import pairs, products
from craton import Database

MOST = 30
"""Products of one order that are learned from: their pairs are 870 rows."""
p, q = products.c, pairs.c
GIVEN: BindParameter[list[str]] = bindparam("given", expanding=True)
CAN_BE_BOUGHT = (p.available == true(), p.discontinued == false())
SCORE = func.sum(q.orders)
ALSO = (
    select(q.other, SCORE).join(products, p.sku == q.other)
    .where(q.sku.in_(GIVEN), q.other.not_in(GIVEN), *CAN_BE_BOUGHT)
    .group_by(q.other).order_by(SCORE.desc(), q.other).limit(bindparam("most"))
)
POPULAR = (
    select(p.sku, p.sold).where(p.sold > 0, p.sku.not_in(GIVEN), *CAN_BE_BOUGHT)
    .order_by(p.sold.desc(), p.sku).limit(bindparam("most"))
)
KNOWN = select(p.sku).where(p.sku.in_(GIVEN))
NEW = insert(products)
CHANGE = update(products).where(p.sku == bindparam("wanted"))
SELL = update(products).where(p.sku.in_(GIVEN)).values(sold=p.sold + bindparam("more"))
KNOWN_PAIRS = select(q.sku, q.other).where(q.sku.in_(GIVEN), q.other.in_(GIVEN))
NEW_PAIR = insert(pairs)
COUNT = update(pairs).where(q.sku.in_(GIVEN), q.other.in_(GIVEN)).values(orders=q.orders + 1)


class Habits(Recommendations):
    """Counts in the database, one order after another."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def also_bought(self, skus: Skus, limit: Limit = 6) -> tuple[Recommendation, ...]:
        scored = await self.best(ALSO, skus, limit) if skus else []
        found = [Recommendation(sku, int(score), "also bought") for sku, score in scored]
        if len(found) == limit:
            return tuple(found)
        known = (*skus, *(one.sku for one in found))
        popular = await self.best(POPULAR, known, limit - len(found))
        return (*found, *(Recommendation(sku, int(sold), "popular") for sku, sold in popular))

    async def best(self, statement: Any, given: tuple[str, ...], limit: int) -> list[tuple[str, int]]:
        """The first products of a list that leaves the given ones out."""
        found: Any = await self.db.execute(statement, {"given": list(given), "most": limit})
        return [(sku, score) for sku, score in found]

    async def learn(self, event: OrderPaid) -> None:
        sold = Counter[str]()
        for line in event.lines:
            sold[line.sku] += line.quantity
        await self.know(*sold)
        for quantity in sorted(set(sold.values())):
            skus = sorted(sku for sku, number in sold.items() if number == quantity)
            await self.db.execute(SELL, {"given": skus, "more": quantity})
        if len(sold) > 1:
            await self.join(sorted(sold)[:MOST])

    async def join(self, skus: list[str]) -> None:
        """These were bought in one order."""
        known = {(sku, other) for sku, other in await self.db.execute(KNOWN_PAIRS, {"given": skus})}
        new = [pair for pair in permutations(skus, 2) if pair not in known]
        if new:
            await self.db.execute(NEW_PAIR, [dict(sku=sku, other=other, orders=0) for sku, other in new])
        await self.db.execute(COUNT, {"given": skus})

    async def forget(self, event: ProductDiscontinued) -> None:
        await self.change(event.sku, discontinued=True)

    async def pass_over(self, event: StockOut) -> None:
        await self.change(event.sku, available=False)

    async def offer_again(self, event: StockBack) -> None:
        await self.change(event.sku, available=True)

    async def change(self, sku: str, **values: bool) -> None:
        """Whether a product can be bought."""
        await self.know(sku)
        await self.db.execute(CHANGE.values(**values), {"wanted": sku})

    async def know(self, *skus: str) -> None:
        """Have rows of these products."""
        known = set((await self.db.execute(KNOWN, {"given": list(skus)})).scalars())
        new = [dict(sku=sku, sold=0, available=True, discontinued=False) for sku in skus if sku not in known]
        if new:
            await self.db.execute(NEW, new)

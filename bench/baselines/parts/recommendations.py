"""Recommendations: what was bought together, and what sells best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import permutations

from sqlalchemy import all_, any_, bindparam, false, func, select, true
from sqlalchemy.dialects.postgresql import insert

from apps.store.recommendations.tables import pairs, products
from bench.baselines.database import AsyncConnection, numbers, texts
from bench.baselines.values import OrderLine

p, q = products.c, pairs.c
CAN_BE_BOUGHT = (p.available == true(), p.discontinued == false())
SCORE = func.sum(q.orders)
ALSO = (
    select(q.other).join(products, p.sku == q.other)
    .where(q.sku == any_(texts("given")), q.other != all_(texts("given")), *CAN_BE_BOUGHT)
    .group_by(q.other).order_by(SCORE.desc(), q.other).limit(bindparam("most"))
)
POPULAR = (
    select(p.sku).where(p.sold > 0, p.sku != all_(texts("given")), *CAN_BE_BOUGHT)
    .order_by(p.sold.desc(), p.sku).limit(bindparam("most"))
)
bought = func.unnest(texts("skus"), numbers("quantities")).table_valued("sku", "quantity").render_derived(name="bought")
sale = insert(products).from_select(
    ["sku", "sold", "available", "discontinued"], select(bought.c.sku, bought.c.quantity, true(), false())
)
SELL = sale.on_conflict_do_update(index_elements=[p.sku], set_=dict(sold=p.sold + sale.excluded.sold))
both = func.unnest(texts("skus"), texts("others")).table_valued("sku", "other").render_derived(name="both")
pair = insert(pairs).from_select(["sku", "other", "orders"], select(both.c.sku, both.c.other, 1))
JOIN = pair.on_conflict_do_update(index_elements=[q.sku, q.other], set_=dict(orders=q.orders + 1))


async def also_bought(db: AsyncConnection, skus: list[str], limit: int) -> list[str]:
    """What was bought with these products, and then what sells best."""
    found = (await db.execute(ALSO, {"given": skus, "most": limit})).scalars().all() if skus else ()
    if len(found) == limit:
        return [*found]
    given = {"given": [*skus, *found], "most": limit - len(found)}
    return [*found, *(await db.execute(POPULAR, given)).scalars()]


async def learn(db: AsyncConnection, lines: Iterable[OrderLine]) -> None:
    """These products were bought together. Rows are changed in the order of their skus."""
    sold = Counter[str]()
    for line in lines:
        sold[line.sku] += line.quantity
    skus = sorted(sold)
    await db.execute(SELL, {"skus": skus, "quantities": [sold[sku] for sku in skus]})
    if together := sorted(permutations(skus[:30], 2)):
        await db.execute(JOIN, {"skus": [a for a, _ in together], "others": [b for _, b in together]})

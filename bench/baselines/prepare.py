"""`python -m bench.baselines.prepare PART,PART=URL...`: the tables of parts in databases, and the store's products.

The tables are those of the store's modules, without the framework's own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib import import_module
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from apps.store.catalog.contract import Draft
from apps.store.catalog.tables import labels, products
from apps.store.importer import OWN, read_products
from apps.store.inventory.tables import movements, stock
from bench.baselines.tables import own
from bench.baselines.values import new_id


async def make(parts: list[str], url: str) -> None:
    """Make the tables of parts in a database, and fill them."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        for part in parts:
            await connection.run_sync(import_module(f"apps.store.{part}.tables").metadata.create_all)
            more = [table for name, table in own.tables.items() if name.startswith(f"{part}_")]
            await connection.run_sync(own.create_all, tables=more)
            if part in FILLING:
                await FILLING[part](connection)
    await engine.dispose()


async def fill_catalog(db: AsyncConnection) -> None:
    """The products, the last one of the file the newest, as in the store."""
    drafts, now = [draft for draft, _ in read_products(OWN)], time.time()
    await db.execute(insert(products), [row_of(draft, now + n / 1000) for n, draft in enumerate(drafts)])
    found = [dict(sku=draft.sku, category=name) for draft in drafts for name in sorted(set(draft.categories))]
    await db.execute(insert(labels), found)


async def fill_inventory(db: AsyncConnection) -> None:
    """The first stock."""
    levels, now = [level for _, level in read_products(OWN)], time.time()
    await db.execute(insert(stock), [dict(sku=level.sku, on_hand=level.on_hand, reserved=0) for level in levels])
    await db.execute(insert(movements), [
        dict(id=new_id("movement"), sku=level.sku, delta=level.on_hand, reason="imported", at=now) for level in levels
    ])


FILLING = {"catalog": fill_catalog, "inventory": fill_inventory}


def row_of(draft: Draft, created: float) -> dict[str, Any]:
    """A product as it is stored."""
    return dict(
        sku=draft.sku, name=draft.name, description=draft.description, brand=draft.brand,
        categories=json.dumps(draft.categories), price=draft.price.amount, currency=draft.price.currency,
        image_url=draft.image_url, status="active", version=1, created=created,
    )


async def main() -> None:
    """Prepare what was named."""
    for given in sys.argv[1:]:
        parts, _, url = given.partition("=")
        await make(parts.split(","), url)


if __name__ == "__main__":
    asyncio.run(main())

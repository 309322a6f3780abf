"""The catalog: products and their categories."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import any_, bindparam, func, select

from apps.store.catalog.tables import labels, products
from bench.baselines.database import AsyncConnection, texts
from bench.baselines.faults import Fault
from bench.baselines.values import Category, Money, Product

p = products.c
COLUMNS = (p.sku, p.name, p.description, p.brand, p.categories, p.price, p.currency, p.status, p.version)
ONE = select(*COLUMNS).where(p.sku == bindparam("sku"))
MANY = select(*COLUMNS).where(p.sku == any_(texts("skus")))
NEWEST = select(*COLUMNS).where(p.status == "active").order_by(p.created.desc(), p.sku).limit(bindparam("most"))
CATEGORIES = (
    select(labels.c.category, func.count().label("products")).join(products, p.sku == labels.c.sku)
    .where(p.status == "active").group_by(labels.c.category).order_by(labels.c.category)
)


async def categories(db: AsyncConnection) -> list[Category]:
    """The categories that have products on sale, by name."""
    return [Category(row[0], row[1]) for row in await db.execute(CATEGORIES)]


async def newest(db: AsyncConnection, limit: int) -> list[Product]:
    """What has come in last."""
    return [product_of(row) for row in await db.execute(NEWEST, {"most": limit})]


async def product(db: AsyncConnection, sku: str) -> Product:
    """One product."""
    row = (await db.execute(ONE, {"sku": sku})).first()
    if row is None:
        raise Fault("ProductNotFound", 404)
    return product_of(row)


async def lookup(db: AsyncConnection, skus: list[str]) -> list[Product]:
    """The products with these skus, in this order."""
    found = {row.sku: product_of(row) for row in await db.execute(MANY, {"skus": skus})} if skus else {}
    return [found[sku] for sku in skus if sku in found]


def product_of(row: Any) -> Product:
    """A product as others see it."""
    sku, name, description, brand, categories, price, currency, status, version = row
    return Product(sku, name, description, brand, json.loads(categories), Money(price, currency), status, version)

"""Shelves: the products in the database."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select, update

from apps.store.catalog import pages
from apps.store.catalog.contract import (
    DEAREST,
    Catalog,
    Category,
    Description,
    Draft,
    Import,
    InvalidPrice,
    Limit,
    Product,
    ProductCreated,
    ProductDiscontinued,
    ProductNotFound,
    ProductPage,
    ProductPriceChanged,
    ProductUpdated,
    SkuTaken,
    Sort,
    VersionConflict,
)
from apps.store.catalog.tables import labels, products
from apps.store.money import Money
from craton import Clock, Database, Events, Version

ONE = select(products).where(products.c.sku == bindparam("wanted"))
MANY = select(products).where(products.c.sku.in_(bindparam("wanted", expanding=True)))
CATEGORIES = (
    select(labels.c.category, func.count()).join(products, products.c.sku == labels.c.sku)
    .where(products.c.status == "active").group_by(labels.c.category).order_by(labels.c.category)
)
INSERT, LABEL = insert(products), insert(labels)
CHANGE = update(products).where(products.c.sku == bindparam("wanted"))
UNLABEL = delete(labels).where(labels.c.sku == bindparam("wanted"))


class Shelves(Catalog):
    """The products, each with a version that every change raises."""

    def __init__(self, db: Database, events: Events, clock: Clock) -> None:
        self.db, self.events, self.clock = db, events, clock

    async def products(
        self, category: str | None = None, brand: str | None = None, search: str | None = None,
        sort: Sort = "name", limit: Limit = 20, cursor: str | None = None,
    ) -> ProductPage:
        start = pages.read_cursor(cursor, sort) if cursor else None
        conditions = pages.on_sale(category, brand, search)
        rows = (await self.db.execute(pages.page(conditions, sort, limit=limit, start=start))).mappings().all()
        items = tuple(product_of(row) for row in rows[:limit])
        if len(rows) <= limit:
            return ProductPage(items, None, rows[0]["total"] if rows else 0)
        last = rows[limit - 1]
        place = pages.Place(sort, last[pages.ORDERS[sort][0]], last["sku"])
        return ProductPage(items, pages.write_cursor(place), last["total"])

    async def product(self, sku: str) -> Product:
        found = await self.find(sku)
        if found is None:
            raise ProductNotFound(sku)
        return found

    async def lookup(self, skus: tuple[str, ...]) -> tuple[Product, ...]:
        rows = (await self.db.execute(MANY, {"wanted": list(skus)})).mappings() if skus else ()
        found = {row["sku"]: product_of(row) for row in rows}
        return tuple(found[sku] for sku in skus if sku in found)

    async def categories(self) -> tuple[Category, ...]:
        return tuple(Category(name, number) for name, number in await self.db.execute(CATEGORIES))

    async def create(self, draft: Draft) -> Product:
        check_price(draft.sku, draft.price)
        if await self.find(draft.sku):
            raise SkuTaken(draft.sku)
        return await self.put(draft)

    async def update(self, sku: str, description: Description, expected_version: Version) -> Product:
        product = await self.current(sku, expected_version)
        fields = {name: getattr(description, name) for name in description.__struct_fields__}
        return await self.describe(product, fields)

    async def change_price(self, sku: str, price: Money, expected_version: Version) -> Product:
        check_price(sku, price)
        return await self.reprice(await self.current(sku, expected_version), price)

    async def discontinue(self, sku: str, expected_version: Version) -> Product:
        product = await self.current(sku, expected_version)
        if product.status == "discontinued":
            return product
        changed = await self.change(product, status="discontinued")
        await self.events.publish(ProductDiscontinued(sku, changed.version))
        return changed

    async def import_products(self, drafts: tuple[Draft, ...], update: bool = True) -> Import:
        for draft in drafts:
            check_price(draft.sku, draft.price)
        known = {product.sku: product for product in await self.lookup(tuple(draft.sku for draft in drafts))}
        done = {"created": 0, "updated": 0, "unchanged": 0}
        for draft in {draft.sku: draft for draft in drafts}.values():
            done[await self.bring_up(draft, known.get(draft.sku), update)] += 1
        return Import(**done)

    async def bring_up(self, draft: Draft, product: Product | None, update: bool) -> str:
        """Make a product what its draft says; what that took."""
        if product is None:
            await self.put(draft)
            return "created"
        if not update:
            return "unchanged"
        fields = {name: getattr(draft, name) for name in Description.__struct_fields__}
        result = product
        if any(getattr(product, name) != value for name, value in fields.items()):
            result = await self.describe(result, fields)
        if product.price != draft.price:
            result = await self.reprice(result, draft.price)
        return "unchanged" if result is product else "updated"

    async def find(self, sku: str) -> Product | None:
        """A product, if there is one."""
        row = (await self.db.execute(ONE, {"wanted": sku})).mappings().first()
        return product_of(row) if row else None

    async def current(self, sku: str, expected_version: Version) -> Product:
        """A product that nobody has changed since."""
        product = await self.find(sku)
        if product is None:
            raise ProductNotFound(sku)
        if product.version != expected_version:
            raise VersionConflict(sku, product.version)
        return product

    async def put(self, draft: Draft) -> Product:
        """A new product."""
        product = Product(
            draft.sku, draft.name, draft.description, draft.brand, draft.categories, draft.price, draft.image_url,
            "active", 1,
        )
        await self.db.execute(INSERT, {**row_of(product), "created": self.clock.now().timestamp()})
        await self.label(product)
        await self.events.publish(ProductCreated(product.sku, product.price))
        return product

    async def describe(self, product: Product, fields: dict[str, Any]) -> Product:
        """All but sku and price anew."""
        changed = await self.change(product, **fields)
        await self.db.execute(UNLABEL, {"wanted": product.sku})
        await self.label(changed)
        await self.events.publish(ProductUpdated(product.sku, changed.version))
        return changed

    async def reprice(self, product: Product, price: Money) -> Product:
        """Another price."""
        changed = await self.change(product, price=price)
        await self.events.publish(ProductPriceChanged(product.sku, product.price, price, changed.version))
        return changed

    async def change(self, product: Product, **fields: Any) -> Product:
        """The product with changes, one version on."""
        changed = msgspec.structs.replace(product, **fields, version=product.version + 1)
        await self.db.execute(CHANGE.values(row_of(changed)), {"wanted": product.sku})
        return changed

    async def label(self, product: Product) -> None:
        """Let the product be found in its categories."""
        rows = [dict(sku=product.sku, category=category) for category in sorted(set(product.categories))]
        if rows:
            await self.db.execute(LABEL, rows)


def check_price(sku: str, price: Money) -> None:
    """InvalidPrice where nobody could ask that."""
    if not 0 <= price.amount <= DEAREST:
        raise InvalidPrice(sku)


def product_of(row: Any) -> Product:
    """A product as others see it."""
    categories = msgspec.json.decode(row["categories"], type=tuple[str, ...])
    return Product(
        row["sku"], row["name"], row["description"], row["brand"], categories, Money(row["price"], row["currency"]),
        row["image_url"], row["status"], row["version"],
    )


def row_of(product: Product) -> dict[str, Any]:
    """A product as it is stored."""
    fields = msgspec.structs.asdict(product)
    return {
        **fields, "price": product.price.amount, "currency": product.price.currency,
        "categories": msgspec.json.encode(product.categories).decode(),
    }

"""What others may know of the catalog: products, and the only place where prices are made."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from msgspec import Meta

from apps.store.money import Money
from craton import Event, Fault, Page, Value, Version, command, query

Sku = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
"""What names a product everywhere."""
Status = Literal["active", "discontinued"]
Sort = Literal["name", "price", "-price", "newest"]
Limit = Annotated[int, Meta(ge=1, le=100)]
DEAREST = 10**8
"""Minor units that a product may cost."""


class Draft(Value):
    """What an administrator says of a product."""

    sku: Sku
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    price: Money
    description: str = ""
    brand: str = ""
    categories: tuple[str, ...] = ()
    image_url: str = ""


class Description(Value):
    """What may be said anew of a product that is sold already: all but its sku and its price."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    description: str = ""
    brand: str = ""
    categories: tuple[str, ...] = ()
    image_url: str = ""


class Product(Value):
    """A product as customers see it. Each change raises `version`."""

    sku: str
    name: str
    description: str
    brand: str
    categories: tuple[str, ...]
    price: Money
    image_url: str
    status: Status
    version: Version


class ProductPage(Page[Product]):
    """Some of the products, and how many there are in all."""

    total: int = 0


class Category(Value):
    """A category and how many products it has on sale."""

    name: str
    products: int


class Import(Value):
    """What an import did, in numbers of products."""

    created: int
    updated: int
    unchanged: int


class ProductNotFound(Fault, status=404):
    """There is no such product."""

    sku: str


class SkuTaken(Fault, status=409):
    """There is a product with this sku."""

    sku: str


class InvalidPrice(Fault, status=422):
    """A price is less than nothing, or more than `DEAREST`."""

    sku: str


class VersionConflict(Fault, status=412):
    """Somebody changed the product meanwhile; look at it again."""

    sku: str
    version: int


class InvalidCursor(Fault, status=422):
    """The cursor is none that this list gave out."""


class ProductCreated(Event, key="sku"):
    """A product is on sale."""

    sku: str
    price: Money


class ProductUpdated(Event, key="sku"):
    """A product is described anew."""

    sku: str
    revision: int


class ProductPriceChanged(Event, key="sku"):
    """A product costs more, or less."""

    sku: str
    old: Money
    new: Money
    revision: int


class ProductDiscontinued(Event, key="sku"):
    """A product is no longer sold."""

    sku: str
    revision: int


class Catalog(Protocol):
    """The products of the shop."""

    @query(get="/products", raises=InvalidCursor, allow="anyone")
    async def products(
        self, category: str | None = None, brand: str | None = None, search: str | None = None,
        sort: Sort = "name", limit: Limit = 20, cursor: str | None = None,
    ) -> ProductPage:
        """Products on sale, filtered and sorted; `search` is looked for in names and descriptions."""
        ...

    @query(get="/products/{sku}", raises=ProductNotFound, allow="anyone")
    async def product(self, sku: str) -> Product:
        """One product, discontinued ones included."""
        ...

    @query(post="/products/lookup", allow="anyone")
    async def lookup(self, skus: tuple[str, ...]) -> tuple[Product, ...]:
        """The products with these skus, in this order; those that do not exist are left out."""
        ...

    @query(get="/categories", allow="anyone")
    async def categories(self) -> tuple[Category, ...]:
        """The categories that have products on sale, by name."""
        ...

    @command(post="/products", raises=(SkuTaken, InvalidPrice), allow="admin")
    async def create(self, draft: Draft) -> Product:
        """Put a product on sale."""
        ...

    @command(put="/products/{sku}", raises=(ProductNotFound, VersionConflict), allow="admin")
    async def update(self, sku: str, description: Description, expected_version: Version) -> Product:
        """Describe a product anew."""
        ...

    @command(put="/products/{sku}/price", raises=(ProductNotFound, VersionConflict, InvalidPrice), allow="admin")
    async def change_price(self, sku: str, price: Money, expected_version: Version) -> Product:
        """Ask another price."""
        ...

    @command(post="/products/{sku}/discontinue", raises=(ProductNotFound, VersionConflict), allow="admin")
    async def discontinue(self, sku: str, expected_version: Version) -> Product:
        """Sell a product no longer."""
        ...

    @command(post="/products/import", raises=InvalidPrice, allow="admin")
    async def import_products(self, drafts: tuple[Draft, ...], update: bool = True) -> Import:
        """Create the products that are new, and bring the others up to date, or leave them alone. Importing twice
        changes nothing."""
        ...

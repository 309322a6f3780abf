"""The shop behind the pages: the modules that they ask, and how long they wait for them."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from apps.store.carts.contract import Cart, Carts
from apps.store.catalog.contract import Catalog, Category, Product
from apps.store.inventory.contract import Inventory, Stock
from apps.store.orders.contract import Orders
from apps.store.recommendations.contract import Recommendations
from apps.store.shipping.contract import Shipping
from apps.store.storefront.settings import StorefrontSettings
from apps.store.users.contract import Users
from craton import Call, CallError, Fault, Ids, Tokens

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every page: the categories, and how many things are in the visitor's cart. None is what could
    not be known soon."""

    categories: tuple[Category, ...] | None
    items: int | None


@dataclass(frozen=True, slots=True)
class Shelf:
    """Products side by side, and how many there are of each; nothing is known of what is not in `stock`."""

    products: tuple[Product, ...]
    stock: dict[str, Stock]


@dataclass(frozen=True, slots=True)
class Shop:
    """The modules that pages ask. What a page can do without is asked for by `soon`."""

    catalog: Catalog
    inventory: Inventory
    carts: Carts
    orders: Orders
    shipping: Shipping
    users: Users
    recommendations: Recommendations | None
    call: Call
    ids: Ids
    tokens: Tokens
    settings: StorefrontSettings

    async def soon(self, asked: Awaitable[T], otherwise: U) -> T | U:
        """An answer that a page can do without: something else, where it does not come soon."""
        try:
            async with self.call.within(self.settings.patience):
                return await asked
        except (CallError, Fault):
            return otherwise

    async def frame(self) -> Frame:
        """What stands around a page: asked for beside what stands on it, by `gather`."""
        categories, items = await gather(self.soon(self.catalog.categories(), None), self.items())
        return Frame(categories, items)

    async def items(self) -> int | None:
        """How many things are in the visitor's cart."""
        if not self.call.caller.subject:
            return 0
        cart = await self.soon(self.carts.mine(), None)
        return None if cart is None else count(cart)

    async def stock_of(self, skus: tuple[str, ...]) -> dict[str, Stock]:
        """How much there is of products, as far as that is known soon."""
        found: tuple[Stock, ...] = await self.soon(self.inventory.availability(skus), ()) if skus else ()
        return {stock.sku: stock for stock in found}

    async def shelf(self, products: tuple[Product, ...]) -> Shelf:
        """Products with their stock."""
        return Shelf(products, await self.stock_of(skus_of(products)))

    async def goes_with(self, *skus: str, limit: int = 4) -> tuple[Product, ...]:
        """What others bought with products, or what sells best: nothing, where that cannot be known soon."""
        return await self.soon(self.suggested(skus, limit), ())

    async def suggested(self, skus: tuple[str, ...], limit: int) -> tuple[Product, ...]:
        """What recommendations say, as products on sale."""
        if self.recommendations is None:
            return ()
        found = await self.recommendations.also_bought(skus, limit)
        products = await self.catalog.lookup(tuple(one.sku for one in found)) if found else ()
        return tuple(product for product in products if product.status == "active")


def skus_of(products: tuple[Product, ...]) -> tuple[str, ...]:
    """What products are asked about by."""
    return tuple(product.sku for product in products)


def count(cart: Cart) -> int:
    """How many things are in a cart, as its owner counts: what is being bought is there no more."""
    return sum(line.quantity for line in cart.lines) if cart.state == "open" else 0

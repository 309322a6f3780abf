"""The storefront as a service: it has no database, and asks the others for what its pages show, at once where it can.
"""

from __future__ import annotations

from asyncio import gather
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from fastapi import FastAPI

from bench.baselines.faults import Fault
from bench.baselines.http import Peer, client, soon
from bench.baselines.shop import NEW, RELATED, Filled, Frame, Front, Shown, in_cart, shelf
from bench.baselines.site import site
from bench.baselines.values import Bought, Cart, Category, Line, Money, Order, Product, Stock, Wanted

NONE = Cart("", 0, "open", "USD", [], Money(0))


class Services:
    """The shop as services."""

    def __init__(self, **peers: Peer) -> None:
        self.catalog, self.inventory, self.carts = peers["catalog"], peers["inventory"], peers["carts"]
        self.orders, self.delivery, self.recommendations = peers["orders"], peers["shipping"], peers["recommendations"]

    async def front(self, owner: str) -> Front:
        """The front page for a visitor."""
        frame, (new, popular, stock) = await gather(self.frame(owner), self.shelves())
        return Front(frame, shelf(new, stock), shelf(popular, stock))

    async def shelves(self) -> tuple[list[Product], list[Product], dict[str, Stock]]:
        """What is new, what sells best, and what there is of both."""
        new, popular = await gather(self.catalog.get("/newest", list[Product], limit=NEW), self.suggested([]))
        return new, popular, await self.stock_of([one.sku for one in (*new, *popular)])

    async def product(self, owner: str, sku: str) -> Shown:
        """A product's page."""
        frame, product, (related, stock) = await gather(
            self.frame(owner), self.catalog.get(f"/products/{quote(sku)}", Product), self.related(sku)
        )
        return Shown(frame, product, stock.get(sku), shelf(related, stock))

    async def related(self, sku: str) -> tuple[list[Product], dict[str, Stock]]:
        """What goes with a product, and what there is of both."""
        found = await self.suggested([sku])
        return found, await self.stock_of([sku, *(one.sku for one in found)])

    async def filled(self, owner: str) -> Filled:
        """The cart's page."""
        categories, (cart, stock, found) = await gather(self.categories(), self.contents(owner))
        left = {one.sku: stock[one.sku].available for one in cart.lines if one.sku in stock}
        return Filled(Frame(categories, in_cart(cart)), cart, left, shelf(found, stock))

    async def contents(self, owner: str) -> tuple[Cart, dict[str, Stock], list[Product]]:
        """A cart, what goes with it, and what there is of both."""
        cart = await self.cart(owner)
        skus = [line.sku for line in cart.lines]
        found = await self.suggested(skus)
        return cart, await self.stock_of([*skus, *(one.sku for one in found)]), found

    async def frame(self, owner: str) -> Frame:
        """What stands around a page."""
        if not owner:
            return Frame(await self.categories(), 0)
        asked = soon(self.carts.get(f"/carts/{owner}/count", int), None)
        return Frame(*await gather(self.categories(), asked))

    async def categories(self) -> list[Category] | None:
        """The categories, where they can be known soon."""
        return await soon(self.catalog.get("/categories", list[Category]), None)

    async def suggested(self, skus: list[str]) -> list[Product]:
        """What goes with products, where that can be known soon."""
        return await soon(self.recommended(skus), [])

    async def recommended(self, skus: list[str]) -> list[Product]:
        """What recommendations say, as products on sale."""
        found = await self.recommendations.post(f"/also-bought?limit={RELATED}", skus, list[str])
        products = await self.catalog.post("/lookup", found, list[Product]) if found else []
        return [product for product in products if product.status == "active"]

    async def stock_of(self, skus: list[str]) -> dict[str, Stock]:
        """How much there is, where that can be known soon."""
        found = await soon(self.inventory.post("/stock", skus, list[Stock]), []) if skus else []
        return {stock.sku: stock for stock in found}

    async def cart(self, owner: str) -> Cart:
        """A customer's cart."""
        return await self.carts.get(f"/carts/{owner}", Cart) if owner else NONE

    async def add(self, owner: str, sku: str, quantity: int) -> None:
        """Put a product into a cart."""
        if not sku:
            raise Fault("ProductUnavailable")
        await self.carts.post(f"/carts/{owner}/items", Line(sku, quantity), object)

    async def shipping(self, country: str, goods: Money) -> Money:
        """What it costs to send goods."""
        return await self.delivery.get("/quote", Money, country=country, amount=goods.amount, currency=goods.currency)

    async def checkout(self, wanted: Wanted) -> Bought:
        """Buy a cart."""
        return await self.orders.post("/orders", wanted, Bought)

    async def order(self, owner: str, order: str) -> Order:
        """One order of a customer."""
        return await self.orders.get(f"/orders/{quote(order)}", Order, owner=owner)


@asynccontextmanager
async def shop(app: FastAPI) -> AsyncIterator[Services]:
    """The services, while the application runs."""
    async with client() as http:
        names = ("catalog", "inventory", "carts", "orders", "shipping", "recommendations")
        yield Services(**{name: Peer(http, name) for name in names})


app = site(shop)

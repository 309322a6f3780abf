"""Products, for those who sell them: what they are called, what they cost, and how many there are."""

from __future__ import annotations

import re
from asyncio import gather
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from apps.store.catalog.contract import (
    DEAREST,
    Description,
    Draft,
    InvalidCursor,
    InvalidPrice,
    Product,
    ProductPage,
    SkuTaken,
    VersionConflict,
)
from apps.store.inventory.contract import InsufficientStock, UnknownSku
from apps.store.money import Money
from apps.store.storefront.admin.pages import PAGE, amount_of, shown, text_of, written
from apps.store.storefront.forms import Form
from apps.store.storefront.serving import go, once
from apps.store.storefront.shop import Shop
from apps.store.storefront.visit import Visit

SKU = re.compile(r"[A-Za-z0-9._-]{1,64}")
LONGEST = 5000
MANY = 1_000_000
LIST = "/manage/products"
STALE = (
    "Somebody has changed this product since you opened it. What you typed is kept below; what is there now stands "
    "beneath it. Send it again to replace that."
)


@dataclass(frozen=True, slots=True)
class Goods:
    """The pages of products and their stock."""

    shop: Shop

    async def list(self, visit: Visit) -> Response:
        """Products on sale, page by page; and one that is not, where its sku is asked for."""
        text = text_of(visit, "q")
        try:
            found = await self.shop.catalog.products(
                search=text or None, limit=PAGE, cursor=visit.request.query_params.get("after") or None,
            )
        except InvalidCursor:
            return go(LIST, q=text)
        products = await self.named(text, found)
        shelf = await self.shop.shelf(products)
        return await shown(self.shop, "products.html", visit, shelf=shelf, found=found, text=text)

    async def named(self, text: str, found: ProductPage) -> tuple[Product, ...]:
        """What was found, after the product whose sku it is."""
        exact = await self.shop.catalog.lookup((text,)) if SKU.fullmatch(text) else ()
        known = {product.sku for product in exact}
        return (*exact, *(product for product in found.items if product.sku not in known))

    async def ask(self, visit: Visit) -> Response:
        """The form for a new product."""
        return await shown(self.shop, "product_new.html", visit)

    async def create(self, visit: Visit) -> Response:
        """Put a product on sale."""
        form = Form(visit.form)
        sku, about = form.text("sku", most=64, missing="Enter a sku."), described(form)
        if sku and not SKU.fullmatch(sku):
            form.wrong("sku", "Letters of a to z, digits, full stops, dashes and underscores, please.")
        price = amount_of(form, "price", least=0, most=DEAREST)
        if not form.errors:
            draft = Draft(sku, about.name, Money(price), about.description, about.brand, about.categories)
            try:
                with once(self.shop, visit):
                    await self.shop.catalog.create(draft)
                return go(f"{LIST}/{sku}", note="created")
            except SkuTaken:
                form.wrong("sku", "There is a product with this sku.")
        return await shown(self.shop, "product_new.html", visit, errors=form.errors)

    async def look(self, visit: Visit) -> Response:
        """One product, with forms for all that can be changed about it."""
        return await self.one(visit)

    async def one(self, visit: Visit, **values: Any) -> Response:
        """The page of a product; with what is wrong with what was typed there."""
        sku = visit.request.path_params["sku"]
        product, stock = await gather(self.shop.catalog.product(sku), self.shop.stock_of((sku,)))
        now = {
            "name": product.name, "brand": product.brand, "description": product.description,
            "categories": ", ".join(product.categories), "price": written(product.price.amount),
        }
        typed = {**now, **visit.form}
        about = {"product": product, "stock": stock.get(sku), "now": now, "typed": typed, **values}
        return await shown(self.shop, "product.html", visit, **about)

    async def describe(self, visit: Visit) -> Response:
        """Say anew what a product is."""
        form, sku = Form(visit.form), visit.request.path_params["sku"]
        about, version = described(form), version_of(form)
        if form.errors:
            return await self.one(visit, errors=form.errors)
        try:
            with once(self.shop, visit):
                await self.shop.catalog.update(sku, about, version)
        except VersionConflict:
            return await self.one(visit, problem=STALE, stale="about", status=409)
        return go(f"{LIST}/{sku}", note="described")

    async def reprice(self, visit: Visit) -> Response:
        """Ask another price."""
        form, sku = Form(visit.form), visit.request.path_params["sku"]
        amount, version = amount_of(form, "price", least=0, most=DEAREST), version_of(form)
        if form.errors:
            return await self.one(visit, errors=form.errors)
        currency = (await self.shop.catalog.product(sku)).price.currency
        try:
            with once(self.shop, visit):
                await self.shop.catalog.change_price(sku, Money(amount, currency), version)
        except VersionConflict:
            return await self.one(visit, problem=STALE, stale="price", status=409)
        except InvalidPrice:
            return await self.one(visit, errors={"price": "This price is not possible."})
        return go(f"{LIST}/{sku}", note="repriced")

    async def discontinue(self, visit: Visit) -> Response:
        """Sell a product no longer."""
        sku = visit.request.path_params["sku"]
        try:
            with once(self.shop, visit):
                await self.shop.catalog.discontinue(sku, version_of(Form(visit.form)))
        except VersionConflict:
            return await self.one(visit, problem="Somebody has changed this product: look at it again.", status=409)
        return go(f"{LIST}/{sku}", note="discontinued")

    async def levels(self, visit: Visit) -> Response:
        """How much there is of everything, or what there is little left of."""
        low, text = text_of(visit, "low") == "yes", text_of(visit, "q").lower()
        found = await (self.shop.inventory.low_stock() if low else self.shop.inventory.all_stock())
        found = tuple(stock for stock in found if text in stock.sku.lower())
        number = text_of(visit, "page")
        first = PAGE * (int(number) - 1 if number.isascii() and number.isdecimal() and 0 < int(number) < 10**6 else 0)
        rows = found[first:first + PAGE]
        named = {one.sku: one.name for one in await self.shop.catalog.lookup(tuple(stock.sku for stock in rows))}
        return await shown(
            self.shop, "stock.html", visit, rows=rows, named=named, low=low, text=text, total=len(found),
            page=first // PAGE + 1, more=first + PAGE < len(found),
        )

    async def restock(self, visit: Visit) -> Response:
        """Goods came in."""
        form, sku = Form(visit.form), visit.request.path_params["sku"]
        quantity = counted(form, "quantity", least=1)
        if form.errors:
            return await self.one(visit, errors=form.errors)
        await self.shop.catalog.product(sku)
        with once(self.shop, visit):
            await self.shop.inventory.restock(sku, quantity)
        return go(f"{LIST}/{sku}", note="restocked")

    async def adjust(self, visit: Visit) -> Response:
        """Somebody has counted: so many are there."""
        form, sku = Form(visit.form), visit.request.path_params["sku"]
        there, was = counted(form, "there", least=0), counted(form, "was", least=0)
        if form.errors:
            return await self.one(visit, errors=form.errors)
        try:
            if there != was:
                with once(self.shop, visit):
                    await self.shop.inventory.adjust(sku, there - was, form.text("reason"))
        except InsufficientStock:
            return await self.one(visit, errors={"there": "That is less than what is promised to orders."})
        except UnknownSku:
            return await self.one(visit, errors={"there": "None of it ever came in: restock it first."})
        return go(f"{LIST}/{sku}", note="counted")


def described(form: Form) -> Description:
    """What was typed about a product."""
    name = form.text("name", missing="Enter a name.")
    text = form.text("description", most=LONGEST).replace("\r\n", "\n")
    categories = [one.strip() for one in form.text("categories").split(",")]
    return Description(name, text, form.text("brand"), tuple(dict.fromkeys(one for one in categories if one)))


def version_of(form: Form) -> int:
    """The version of the product that the form was made for."""
    return form.number("version", least=0, most=10**9 - 1, otherwise=0)


def counted(form: Form, name: str, *, least: int) -> int:
    """A number of things."""
    if not form.typed.get(name):
        form.wrong(name, f"Enter a number from {least} to {MANY}.")
    return form.number(name, least=least, most=MANY, otherwise=least)

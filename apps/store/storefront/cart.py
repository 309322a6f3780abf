"""The cart: to look at, and to change."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass

from starlette.responses import Response

from apps.store.carts.contract import (
    MOST,
    Cart,
    CartFrozen,
    MixedCurrencies,
    NotInCart,
    ProductUnavailable,
    QuantityLimit,
)
from apps.store.storefront.browsing import Browsing
from apps.store.storefront.forms import Form
from apps.store.storefront.rendering import page
from apps.store.storefront.serving import go, new_key, once
from apps.store.storefront.sessions import begin
from apps.store.storefront.shop import Frame, Shelf, Shop, count, skus_of
from apps.store.storefront.visit import Visit


@dataclass(frozen=True, slots=True)
class CartPages:
    """A visitor's cart. After each change the browser is sent to look at it."""

    shop: Shop
    browsing: Browsing

    async def look(self, visit: Visit) -> Response:
        """What is in the cart, what has changed about it, and what goes with it."""
        categories, (cart, stock, suggested) = await gather(
            self.shop.soon(self.shop.catalog.categories(), None), self.filled(visit)
        )
        frame = Frame(categories, count(cart) if cart else 0)
        changed = bool(cart and (cart.withdrawn or any(line.price_now for line in cart.lines)))
        return page(
            "cart.html", visit, frame=frame, cart=cart, stock=stock, suggested=suggested, key=new_key(self.shop),
            changed=changed, most=MOST,
        )

    async def filled(self, visit: Visit) -> tuple[Cart | None, dict[str, int], Shelf]:
        """The cart, how much there is of what is in it, and what goes with it; no cart for who has no session."""
        cart = await self.shop.carts.mine() if visit.token else None
        skus = tuple(line.sku for line in cart.lines) if cart else ()
        suggested = await self.shop.goes_with(*skus)
        stock = await self.shop.stock_of((*skus, *skus_of(suggested)))
        return cart, {sku: one.available for sku, one in stock.items()}, Shelf(suggested, stock)

    async def add(self, visit: Visit) -> Response:
        """Put a product into the cart."""
        form = Form(visit.form)
        sku = visit.form.get("product_id", "")[:64]
        quantity = form.number("quantity", least=1, most=MOST, otherwise=1)
        if form.errors:
            return await self.browsing.shown(visit, sku, problem=form.errors["quantity"])
        begin(self.shop, visit)
        try:
            with once(self.shop, visit):
                await self.shop.carts.add(sku, quantity)
        except QuantityLimit as limit:
            return await self.browsing.shown(visit, sku, problem=f"A cart holds at most {limit.most} of one product.")
        except (ProductUnavailable, MixedCurrencies):
            return await self.browsing.shown(visit, sku, problem="This product cannot be bought at the moment.")
        except CartFrozen as frozen:
            return go(f"/order/{frozen.order}", note="being-bought")
        return go("/cart", note="added")

    async def change(self, visit: Visit) -> Response:
        """Have another number of a product, or none of it."""
        form = Form(visit.form)
        quantity = form.number("quantity", least=0, most=MOST, otherwise=1)
        if form.errors or visit.token is None:
            return go("/cart", note="quantity" if form.errors else "expired")
        return await self.changed(visit, 0 if "remove" in visit.form else quantity)

    async def changed(self, visit: Visit, quantity: int) -> Response:
        """So many of a product, from now on."""
        sku = visit.form.get("product_id", "")[:64]
        try:
            with once(self.shop, visit):
                await (self.shop.carts.set_quantity(sku, quantity) if quantity else self.shop.carts.remove(sku))
        except NotInCart:
            return go("/cart")
        except (ProductUnavailable, MixedCurrencies):
            return go("/cart", note="unavailable")
        except CartFrozen as frozen:
            return go(f"/order/{frozen.order}", note="being-bought")
        return go("/cart", note="changed" if quantity else "removed")

    async def empty(self, visit: Visit) -> Response:
        """Take everything out."""
        try:
            if visit.token:
                with once(self.shop, visit):
                    await self.shop.carts.clear()
        except CartFrozen as frozen:
            return go(f"/order/{frozen.order}", note="being-bought")
        return go("/cart", note="emptied")

    async def refresh(self, visit: Visit) -> Response:
        """Accept today's prices."""
        if visit.token is None:
            return go("/cart", note="expired")
        try:
            with once(self.shop, visit):
                await self.shop.carts.refresh()
        except CartFrozen as frozen:
            return go(f"/order/{frozen.order}", note="being-bought")
        return go("/cart", note="refreshed")

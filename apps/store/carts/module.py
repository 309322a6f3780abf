"""Baskets: one live cart for each customer."""

from __future__ import annotations

import msgspec

from apps.store.carts.contract import (
    MOST,
    Cart,
    CartChanged,
    CartCheckedOut,
    CartClosed,
    CartExpired,
    CartFrozen,
    CartLine,
    CartNotFound,
    Carts,
    EmptyCart,
    Few,
    MixedCurrencies,
    NotAGuest,
    NotInCart,
    ProductUnavailable,
    Quantity,
    QuantityLimit,
)
from apps.store.carts.records import Record, Records
from apps.store.carts.settings import CartSettings
from apps.store.catalog.contract import (
    Catalog,
    Product,
    ProductDiscontinued,
    ProductNotFound,
    ProductPriceChanged,
    Sku,
)
from apps.store.money import Money
from apps.store.recommendations.contract import Recommendations
from craton import Call, CallError, Clock, Database, Events, Ids, NotAuthenticated, Secret, Tokens

ENOUGH = 50
"""Products in a cart that suggestions are made for."""


class Baskets(Carts):
    """Carts in the database. Who calls decides whose cart it is, so that nobody can name another's."""

    def __init__(
        self, db: Database, events: Events, call: Call, clock: Clock, ids: Ids, tokens: Tokens, catalog: Catalog,
        recommendations: Recommendations | None, settings: CartSettings,
    ) -> None:
        self.events, self.call, self.clock, self.ids = events, call, clock, ids
        self.tokens, self.catalog, self.settings = tokens, catalog, settings
        self.recommendations, self.records = recommendations, Records(db)

    async def mine(self) -> Cart:
        found = await self.live()
        return found.cart if found else empty(self.settings.currency)

    async def suggestions(self, limit: Few = 4) -> tuple[Product, ...]:
        found = await self.recommended((await self.mine()).lines, limit)
        return tuple(p for p in await self.catalog.lookup(found) if p.status == "active") if found else ()

    async def recommended(self, lines: tuple[CartLine, ...], limit: int) -> tuple[str, ...]:
        """What goes with these lines. Nobody waits long for that, and nothing fails for want of it."""
        if self.recommendations is None:
            return ()
        try:
            async with self.call.within(self.settings.patience):
                found = await self.recommendations.also_bought(tuple(line.sku for line in lines[:ENOUGH]), limit)
        except CallError:
            return ()
        return tuple(one.sku for one in found)

    async def add(self, sku: Sku, quantity: Quantity = 1) -> Cart:
        product = await self.on_sale(sku)
        cart = await self.open_cart(product.price.currency)
        had = quantity_of(cart, sku)
        if had + quantity > MOST:
            raise QuantityLimit(sku, MOST)
        return await self.put(cart, product, had + quantity)

    async def set_quantity(self, sku: Sku, quantity: Quantity) -> Cart:
        if quantity > MOST:
            raise QuantityLimit(sku, MOST)
        product = await self.on_sale(sku)
        return await self.put(await self.open_cart(product.price.currency), product, quantity)

    async def remove(self, sku: Sku) -> Cart:
        found = await self.live()
        if found is None or quantity_of(found.cart, sku) == 0:
            raise NotInCart(sku)
        cart = unfrozen(found.cart)
        return await self.save(cart, tuple(line for line in cart.lines if line.sku != sku))

    async def clear(self) -> Cart:
        found = await self.live()
        if found is None or not found.cart.lines:
            return found.cart if found else empty(self.settings.currency)
        return await self.save(unfrozen(found.cart), ())

    async def refresh(self) -> Cart:
        found = await self.live()
        if found is None:
            return empty(self.settings.currency)
        cart = unfrozen(found.cart)
        looked_up = await self.catalog.lookup(tuple(line.sku for line in cart.lines))
        products = {product.sku: product for product in looked_up}
        sold = [(line, products[line.sku]) for line in cart.lines if may_buy(products.get(line.sku), cart)]
        lines = tuple(line_of(product, line.quantity) for line, product in sold)
        return cart if shown(lines) == shown(cart.lines) and not cart.withdrawn else await self.save(cart, lines)

    async def merge(self, guest: Secret) -> Cart:
        theirs = await self.live(self.guest_of(guest))
        found = await self.live()
        if theirs is None:
            return found.cart if found else empty(self.settings.currency)
        given = unfrozen(theirs.cart)
        await self.records.end(given.id, "merged")
        cart = unfrozen(found.cart) if found else await self.new_cart(given.currency)
        if cart.currency != given.currency:
            raise MixedCurrencies(given.lines[0].sku if given.lines else "", given.currency)
        return await self.save(cart, together(cart.lines, given.lines))

    async def freeze(self, cart: str, version: int, order: str) -> Cart:
        found = await self.records.find(cart)
        if found is None or found.owner != self.call.caller.subject:
            raise CartNotFound(cart)
        now = found.cart
        if now.state == "frozen" and now.order == order:
            return now
        if now.state == "closed":
            raise CartClosed(cart, now.order or "")
        if now.state not in ("open", "frozen") or self.expired(found):
            raise CartExpired(cart)
        if unfrozen(now).version != version:
            raise CartChanged(cart, now.version)
        if not now.lines:
            raise EmptyCart
        return await self.records.hold(now, order)

    async def reopen(self, cart: str, order: str) -> None:
        if (found := await self.records.find(cart)) and found.cart.state == "frozen" and found.cart.order == order:
            await self.records.let_go(cart, expires=self.end())

    async def close(self, cart: str, order: str) -> None:
        if (found := await self.records.find(cart)) and found.cart.state == "frozen" and found.cart.order == order:
            await self.records.end(cart, "closed")
            await self.events.publish(CartCheckedOut(cart, order))

    async def expire(self) -> int:
        overdue = await self.records.overdue(self.clock.now().timestamp())
        for cart in overdue:
            await self.records.end(cart, "expired")
        return len(overdue)

    async def reprice(self, event: ProductPriceChanged) -> None:
        await self.records.hear(event.sku, event.revision, price=event.new.amount, currency=event.new.currency)

    async def withdraw(self, event: ProductDiscontinued) -> None:
        await self.records.hear(event.sku, event.revision, discontinued=True)
        await self.records.withdraw(event.sku)

    async def on_sale(self, sku: str) -> Product:
        """A product that can be bought."""
        try:
            product = await self.catalog.product(sku)
        except ProductNotFound:
            raise ProductUnavailable(sku) from None
        # what we have heard counts, too: it may have come after the catalog answered, and found no line to take out
        if product.status != "active" or await self.records.discontinued(sku):
            raise ProductUnavailable(sku)
        return product

    async def live(self, owner: str | None = None) -> Record | None:
        """The open or frozen cart of the caller, or of another owner."""
        found = await self.records.live(owner or self.call.caller.subject)
        return None if found is None or self.expired(found) else found

    async def open_cart(self, currency: str) -> Cart:
        """The caller's cart to change; a new one where there is none."""
        found = await self.live()
        return unfrozen(found.cart) if found else await self.new_cart(currency)

    async def new_cart(self, currency: str) -> Cart:
        """An empty cart of the caller, in place of one that has expired."""
        subject = self.call.caller.subject
        if old := await self.records.live(subject):
            await self.records.end(old.cart.id, "expired")
        return await self.records.make(self.ids.new("cart"), subject, currency=currency, expires=self.end())

    async def put(self, cart: Cart, product: Product, quantity: int) -> Cart:
        """The cart with so many of a product, at today's price."""
        if product.price.currency != cart.currency:
            raise MixedCurrencies(product.sku, cart.currency)
        new = line_of(product, quantity)
        if quantity_of(cart, product.sku):
            return await self.save(cart, tuple(new if line.sku == product.sku else line for line in cart.lines))
        return await self.save(cart, (*cart.lines, new))

    async def save(self, cart: Cart, lines: tuple[CartLine, ...]) -> Cart:
        """The cart with other lines, one version on."""
        return await self.records.save(cart, lines, expires=self.end())

    def guest_of(self, token: Secret) -> str:
        """The guest whose token this is."""
        try:
            subject = self.tokens.verify(token.reveal()).subject
        except NotAuthenticated:
            raise NotAGuest from None
        if not subject.startswith("guest:"):
            raise NotAGuest
        return subject

    def expired(self, found: Record) -> bool:
        """Whether a cart was left alone for too long; one that is being bought was not."""
        return found.cart.state == "open" and found.expires <= self.clock.now().timestamp()

    def end(self) -> float:
        """When a cart that is touched now will expire."""
        return self.clock.now().timestamp() + self.settings.lifetime


def empty(currency: str) -> Cart:
    """The cart of somebody who has none."""
    return Cart("", 0, "open", currency, (), Money(0, currency))


def unfrozen(cart: Cart) -> Cart:
    """A cart that may be changed. CartFrozen while it is being bought."""
    if cart.state == "frozen":
        raise CartFrozen(cart.id, cart.order or "")
    return cart


def may_buy(product: Product | None, cart: Cart) -> bool:
    """Whether a product can stay in a cart."""
    return product is not None and product.status == "active" and product.price.currency == cart.currency


def quantity_of(cart: Cart, sku: str) -> int:
    """How many of a product are in a cart."""
    return next((line.quantity for line in cart.lines if line.sku == sku), 0)


def line_of(product: Product, quantity: int) -> CartLine:
    """So many of a product, at today's price."""
    return CartLine(product.sku, product.name, quantity, product.price, product.version)


def shown(lines: tuple[CartLine, ...]) -> list[tuple[str, str, int, Money]]:
    """What a customer sees of lines."""
    return [(line.sku, line.name, line.quantity, line.unit_price) for line in lines]


def together(own: tuple[CartLine, ...], given: tuple[CartLine, ...]) -> tuple[CartLine, ...]:
    """The lines of two carts: every product once, quantities added up as far as a cart may hold them."""
    lines = {line.sku: line for line in own}
    for line in given:
        had = lines[line.sku].quantity if line.sku in lines else 0
        lines[line.sku] = msgspec.structs.replace(line, quantity=min(had + line.quantity, MOST))
    return tuple(lines.values())

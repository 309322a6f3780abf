"""What others may know of carts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from apps.store.catalog.contract import Product, ProductDiscontinued, ProductPriceChanged, Sku
from apps.store.money import Money
from craton import Event, Fault, Secret, Value, command, on, query

Few = Annotated[int, Meta(ge=1, le=20)]
MOST = 99
"""Of one product in one cart."""
Quantity = Annotated[int, Meta(ge=1, le=MOST)]
State = Literal["open", "frozen", "closed", "merged", "expired"]


class CartLine(Value):
    """So many of a product, at the price the customer was shown when the product had this `revision`. `price_now` is
    set where it has changed since: refresh the cart to accept it."""

    sku: str
    name: str
    quantity: int
    unit_price: Money
    revision: int = 0
    price_now: Money | None = None


class Cart(Value):
    """What a customer means to buy. Each change raises `version`; `order` is the order it was frozen for. `withdrawn`
    is what was in it and is no longer sold, to be shown until the cart is changed.

    A customer without a cart has an empty one with an empty id and version 0.
    """

    id: str
    version: int
    state: State
    currency: str
    lines: tuple[CartLine, ...]
    total: Money
    expires: datetime | None = None
    order: str | None = None
    withdrawn: tuple[CartLine, ...] = ()


class CartNotFound(Fault, status=404):
    """The caller has no such cart."""

    cart: str


class CartExpired(Fault, status=410):
    """The cart was left alone for too long."""

    cart: str


class CartChanged(Fault, status=409):
    """The cart was changed meanwhile; look at it again."""

    cart: str
    version: int


class CartFrozen(Fault, status=409):
    """The cart is being bought: see its order."""

    cart: str
    order: str


class CartClosed(Fault, status=409):
    """The cart was bought: see its order."""

    cart: str
    order: str


class EmptyCart(Fault, status=422):
    """There is nothing in the cart."""


class ProductUnavailable(Fault, status=409):
    """The product does not exist, or is no longer sold."""

    sku: str


class QuantityLimit(Fault, status=422):
    """More of one product than a cart may hold."""

    sku: str
    most: int


class MixedCurrencies(Fault, status=409):
    """The product's price is in another currency than the cart."""

    sku: str
    currency: str


class NotInCart(Fault, status=404):
    """The cart has none of this product."""

    sku: str


class NotAGuest(Fault, status=422):
    """The token is none of a guest session."""


class CartCheckedOut(Event, key="cart"):
    """A cart was bought."""

    cart: str
    order: str


class Carts(Protocol):
    """One live cart for each customer, guests included. A caller sees and changes no cart but their own."""

    @query(get="/carts/mine")
    async def mine(self) -> Cart:
        """The caller's cart."""
        ...

    @query(get="/cart/suggestions")
    async def suggestions(self, limit: Few = 4) -> tuple[Product, ...]:
        """What others bought with what is in the caller's cart; nothing, where that cannot be known soon."""
        ...

    @command(
        post="/cart/items", raises=(ProductUnavailable, QuantityLimit, MixedCurrencies, CartFrozen),
    )
    async def add(self, sku: Sku, quantity: Quantity = 1) -> Cart:
        """Put more of a product into the caller's cart."""
        ...

    @command(
        put="/cart/items/{sku}", raises=(ProductUnavailable, QuantityLimit, MixedCurrencies, CartFrozen),
    )
    async def set_quantity(self, sku: Sku, quantity: Quantity) -> Cart:
        """Have just so many of a product in the caller's cart."""
        ...

    @command(delete="/cart/items/{sku}", raises=(NotInCart, CartFrozen))
    async def remove(self, sku: Sku) -> Cart:
        """Take a product out of the caller's cart."""
        ...

    @command(delete="/cart/items", raises=CartFrozen)
    async def clear(self) -> Cart:
        """Empty the caller's cart."""
        ...

    @command(post="/cart/refresh", raises=CartFrozen)
    async def refresh(self) -> Cart:
        """Accept today's prices, and lose what is no longer sold."""
        ...

    @command(post="/cart/merge", raises=(NotAGuest, CartFrozen, MixedCurrencies), allow="user")
    async def merge(self, guest: Secret) -> Cart:
        """After signing in: move the cart of a guest session, named by its token, into the caller's. Quantities add
        up, to no more than a cart may hold of one product."""
        ...

    @command(raises=(CartNotFound, CartExpired, CartChanged, CartFrozen, CartClosed, EmptyCart))
    async def freeze(self, cart: str, version: int, order: str) -> Cart:
        """Keep the caller's cart as it is while it is being bought. The same order may freeze it again."""
        ...

    @command
    async def reopen(self, cart: str, order: str) -> None:
        """Let a cart that this order froze be changed again."""
        ...

    @command
    async def close(self, cart: str, order: str) -> None:
        """A cart that this order froze has been bought."""
        ...

    @command(post="/admin/carts/expire", allow="admin")
    async def expire(self) -> int:
        """End every cart that was left alone for too long; how many there were."""
        ...

    @on(ProductPriceChanged)
    async def reprice(self, event: ProductPriceChanged) -> None:
        """Whoever has it in a cart is told."""
        ...

    @on(ProductDiscontinued)
    async def withdraw(self, event: ProductDiscontinued) -> None:
        """It leaves all carts but those that are being bought, which it leaves when they are not bought."""
        ...

"""What the pages ask of the shop, whether its parts are in the same process or elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from bench.baselines.values import Bought, Cart, Category, Money, Order, Product, Stock, Wanted

NEW, RELATED = 8, 4
"""Products on the front page, and products that go with others."""


@dataclass(slots=True)
class Frame:
    """What stands around every page. None is what could not be known."""

    categories: list[Category] | None
    items: int | None


@dataclass(slots=True)
class Shelf:
    """Products side by side, and how many there are of each."""

    products: list[Product] = field(default_factory=list)
    stock: dict[str, Stock] = field(default_factory=dict)


@dataclass(slots=True)
class Front:
    """What the front page shows."""

    frame: Frame
    new: Shelf
    popular: Shelf


@dataclass(slots=True)
class Shown:
    """What a product's page shows."""

    frame: Frame
    product: Product
    stock: Stock | None
    related: Shelf


@dataclass(slots=True)
class Filled:
    """What the cart's page shows."""

    frame: Frame
    cart: Cart
    stock: dict[str, int]
    suggested: Shelf


class Shop(Protocol):
    """Each page asks once, so that a shop in one process can use one connection, and one of services ask at once."""

    async def front(self, owner: str) -> Front:
        """The front page for a visitor."""
        ...

    async def product(self, owner: str, sku: str) -> Shown:
        """A product's page. Fault where there is none."""
        ...

    async def filled(self, owner: str) -> Filled:
        """The cart's page."""
        ...

    async def frame(self, owner: str) -> Frame:
        """What stands around other pages."""
        ...

    async def cart(self, owner: str) -> Cart:
        """A customer's cart."""
        ...

    async def add(self, owner: str, sku: str, quantity: int) -> None:
        """Put a product into a cart."""
        ...

    async def shipping(self, country: str, goods: Money) -> Money:
        """What it costs to send goods."""
        ...

    async def checkout(self, wanted: Wanted) -> Bought:
        """Buy a cart."""
        ...

    async def order(self, owner: str, order: str) -> Order:
        """One order of a customer."""
        ...


def in_cart(cart: Cart) -> int:
    """How many things are in a cart, as its owner counts."""
    return sum(line.quantity for line in cart.lines) if cart.state == "open" else 0


def shelf(products: list[Product], stock: dict[str, Stock]) -> Shelf:
    """Products with their stock."""
    return Shelf(products, {one.sku: stock[one.sku] for one in products if one.sku in stock})

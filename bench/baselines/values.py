"""What is passed from part to part: plain dataclasses, which FastAPI and pydantic write and read as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4


@dataclass(slots=True)
class Money:
    """An amount in minor units."""

    amount: int
    currency: str = "USD"

    def times(self, quantity: int) -> Money:
        """The price of so many."""
        return Money(self.amount * quantity, self.currency)


@dataclass(slots=True)
class Product:
    """A product on a shelf."""

    sku: str
    name: str
    description: str
    brand: str
    categories: list[str]
    price: Money
    status: str
    version: int


@dataclass(slots=True)
class Category:
    """A category, and how many products it has."""

    name: str
    products: int


@dataclass(slots=True)
class Stock:
    """How many of a product are left to sell."""

    sku: str
    available: int


@dataclass(slots=True)
class CartLine:
    """So many of a product, at the price that the customer was shown; `price_now` where it has changed since."""

    sku: str
    name: str
    quantity: int
    unit_price: Money
    price_now: Money | None = None


@dataclass(slots=True)
class Cart:
    """What a customer means to buy."""

    id: str
    version: int
    state: str
    currency: str
    lines: list[CartLine]
    total: Money
    order: str | None = None
    withdrawn: list[CartLine] = field(default_factory=list)


@dataclass(slots=True)
class Line:
    """So many of a product."""

    sku: str
    quantity: int


@dataclass(slots=True)
class OrderLine:
    """So many of a product, at the price that it was ordered for."""

    sku: str
    name: str
    quantity: int
    unit_price: Money


@dataclass(slots=True)
class Totals:
    """What an order costs."""

    goods: Money
    shipping: Money
    tax: Money
    total: Money


@dataclass(slots=True)
class Address:
    """Where the goods go."""

    name: str
    street: str
    city: str
    postcode: str
    country: str
    state: str = ""


@dataclass(slots=True)
class Order:
    """What was bought."""

    id: str
    owner: str
    cart: str
    email: str
    address: Address
    lines: list[OrderLine]
    totals: Totals
    status: str
    placed: datetime
    refunded: Money
    action_url: str | None = None
    tracking: str | None = None


@dataclass(slots=True)
class Wanted:
    """What is asked of a checkout. `key` is the form's: the same one twice buys once."""

    key: str
    owner: str
    cart: str
    version: int
    payment: str
    email: str
    address: Address


@dataclass(slots=True)
class Bought:
    """What came of a checkout."""

    id: str
    status: str


@dataclass(slots=True)
class Paid:
    """An order that was paid: what shipping, recommendations and notifications want to know of it."""

    order: str
    owner: str
    cart: str
    email: str
    address: Address
    lines: list[OrderLine]
    total: Money
    at: float


def new_id(kind: str) -> str:
    """An id that nobody else has."""
    return f"{kind}-{uuid4().hex}"

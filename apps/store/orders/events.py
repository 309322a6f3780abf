"""What happens to orders: what others may subscribe to, and what only an order itself remembers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from apps.store.money import Money
from craton import Event, Value

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$")]
"""An ISO 3166 code."""


class Address(Value):
    """Where the goods go."""

    name: Text
    street: Text
    city: Text
    postcode: Annotated[str, Meta(min_length=1, max_length=20)]
    country: Country
    state: Annotated[str, Meta(max_length=100)] = ""


class OrderLine(Value):
    """So many of a product, at the price it had when it was ordered."""

    sku: str
    name: str
    quantity: int
    unit_price: Money


class Totals(Value):
    """What an order costs: `total` is the sum of the others."""

    goods: Money
    shipping: Money
    tax: Money
    total: Money


# ---------------------------------------------------------------------- what others may know


class OrderPlaced(Event, key="order"):
    """An order was made; it is not paid yet."""

    order: str
    owner: str
    total: Money
    lines: tuple[OrderLine, ...]


class OrderPaid(Event, key="order"):
    """An order is paid, and its goods are sold."""

    order: str
    owner: str
    email: str
    lines: tuple[OrderLine, ...]
    total: Money
    address: Address
    at: datetime


class OrderCancelled(Event, key="order"):
    """An order will not be carried out; `refunded` is what was given back for that."""

    order: str
    reason: str
    email: str
    refunded: Money
    at: datetime


class OrderShipped(Event, key="order"):
    """The goods are on their way."""

    order: str
    tracking: str
    email: str
    at: datetime


class OrderRefunded(Event, key="order"):
    """Some of an order's money was given back."""

    order: str
    amount: Money
    email: str
    reason: str
    at: datetime


# ---------------------------------------------------------------------- what stays in the order's own stream


class CheckoutStarted(Event, key="order"):
    """A cart is being bought. `token` is the provider's name for the card; stock is held until `held_until`."""

    order: str
    owner: str
    cart: str
    cart_version: int
    email: str
    address: Address
    lines: tuple[OrderLine, ...]
    totals: Totals
    token: str
    at: datetime
    held_until: datetime


class CustomerAwaited(Event, key="order"):
    """The customer's bank wants to hear from the customer first, at this address."""

    order: str
    action_url: str
    at: datetime


class CustomerSentAgain(Event, key="order"):
    """The bank still wants to hear from the customer, who came back too early."""

    order: str
    action_url: str


class OrderTaken(Event, key="order"):
    """A saga has the order in hand: nobody else may change it."""

    order: str
    by: str


class OrderLetGo(Event, key="order"):
    """Nobody has the order in hand any more."""

    order: str

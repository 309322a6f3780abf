"""What customers of the shop do, for `craton compare --scenario shopping`: the mix of Online Boutique's load generator.

Products are chosen over the whole catalog, so that none of them is what everybody waits for, and none is sold out.
"""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

from craton.lab.scenario import Response, Scenario, Visitor

PRODUCTS = tuple(
    product["sku"] for product in tomllib.loads(Path(__file__).with_name("products.toml").read_text())["products"]
)
CURRENCIES = ("EUR", "USD", "JPY", "CAD", "GBP", "TRY")
MOST = 3
"""Of one product in one go."""
LOOK, LOOKS = 0.5, 10
"""Seconds after which a customer who waits looks again, and how often at most."""
CUSTOMER = {
    "email": "donna@example.org", "street_address": "9402 Peterson Drives", "zip_code": "46323", "city": "Port Matthew",
    "state": "CO", "country": "US", "credit_card_number": "4242424242424242", "credit_card_expiration_month": "12",
    "credit_card_expiration_year": "2099", "credit_card_cvv": "123",
}


class Turned(Exception):
    """The shop sends the customer elsewhere than to where this should lead."""


async def index(visitor: Visitor) -> None:
    """The front page."""
    await visitor.get("/")


async def currency(visitor: Visitor) -> None:
    """See prices in another currency."""
    await visitor.post("/setCurrency", form={"currency_code": visitor.chance.choice(CURRENCIES)}, expect=(302, 303))


async def product(visitor: Visitor) -> None:
    """Look at a product."""
    await visitor.get(f"/product/{visitor.chance.choice(PRODUCTS)}")


async def add_to_cart(visitor: Visitor) -> None:
    """Put some of a product into the cart."""
    sku, quantity = visitor.chance.choice(PRODUCTS), visitor.chance.randint(1, MOST)
    answer = await visitor.post("/cart", form={"product_id": sku, "quantity": str(quantity)}, expect=(302, 303))
    lead(place_of(answer), "/cart")
    visitor.memory["filled"] = True


async def view_cart(visitor: Visitor) -> None:
    """Look at the cart."""
    await visitor.get("/cart")


async def checkout(visitor: Visitor) -> None:
    """Buy what is in the cart; who has nothing in it takes something first. Whom the shop asks to wait looks until
    there is an order."""
    if not visitor.memory.pop("filled", False):
        await add_to_cart(visitor)
        del visitor.memory["filled"]
    place = place_of(await visitor.post("/cart/checkout", form=CUSTOMER, expect=(302, 303)))
    for _ in range(LOOKS):
        if not place.startswith("/checkout/"):
            break
        await asyncio.sleep(LOOK)
        place = place_of(await visitor.get(place, expect=(200, 302, 303))) or place
    lead(place, "/order/")


def place_of(answer: Response) -> str:
    """Where an answer leads to; "" where it is a page."""
    return answer.headers.get("location", "")


def lead(found: str, place: str) -> None:
    """Turned, where this is not such a place."""
    if not found.startswith(place):
        raise Turned(f"to {found.partition('?')[0]}")


shopping = Scenario(
    "shopping", {index: 1, currency: 2, product: 10, add_to_cart: 2, view_cart: 3, checkout: 1}, think=(1.0, 10.0),
    settings={"STORE_STOCK": "1000000"},
)

"""The surface of Google's Online Boutique: what its load generator sends, word for word, buys here, too."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import httpx
import pytest

from apps.store.catalog.contract import Draft, SkuTaken
from apps.store.money import Money
from tests.store.shop import Shop
from tests.store.visitor import URL

pytestmark = pytest.mark.asyncio(loop_scope="session")
PRODUCTS = [
    "0PUK6V6EV0", "1YMWWN1N4O", "2ZYFJ3GM2N", "66VCHSJNUP", "6E92ZMYYFZ", "9SIQT8TOJO", "L9ECAV7KIM", "LS4PSXUNUM",
    "OLJCESPC7Z",
]
CURRENCIES = ["EUR", "USD", "JPY", "CAD", "GBP", "TRY"]


class User:
    """One user of the load generator (src/loadgenerator/locustfile.py, Apache-2.0): no header and no field more."""

    def __init__(self, shop: Shop) -> None:
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(shop.edge), base_url=URL, follow_redirects=True, headers={"Accept": "*/*"},
        )
        self.dice = random.Random(4)

    async def ask(self, method: str, path: str, **form: object) -> httpx.Response:
        """One request, which must succeed."""
        answer = await self.http.request(method, path, data={name: str(text) for name, text in form.items()} or None)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code}"
        return answer

    async def add_to_cart(self) -> None:
        product = self.dice.choice(PRODUCTS)
        await self.ask("GET", f"/product/{product}")
        await self.ask("POST", "/cart", product_id=product, quantity=self.dice.randint(1, 10))

    async def checkout(self) -> httpx.Response:
        await self.add_to_cart()
        year = datetime.now(UTC).year + 1
        return await self.ask(
            "POST", "/cart/checkout", email="donna@example.org", street_address="9402 Peterson Drives",
            zip_code="46323", city="Port Matthew", state="CO", country="Svalbard & Jan Mayen Islands",
            credit_card_number="4929766044528012", credit_card_expiration_month=self.dice.randint(1, 12),
            credit_card_expiration_year=self.dice.randint(year, year + 70), credit_card_cvv=self.dice.randint(100, 999),
        )


async def test_its_load_generator_browses_and_buys(shop: Shop) -> None:
    for number, sku in enumerate(PRODUCTS):
        try:
            await shop.admin.ask(shop.catalog.create, Draft(sku=sku, name=f"Product {number}", price=Money(1999)))
        except SkuTaken:
            continue
        await shop.admin.ask(shop.inventory.restock, sku, 1000)
    user = User(shop)
    async with user.http:
        await user.ask("GET", "/")
        for currency in CURRENCIES:
            await user.ask("POST", "/setCurrency", currency_code=currency)
        assert user.http.cookies["shop_currency"] == "TRY"
        await user.add_to_cart()
        await user.ask("GET", "/cart")
        await user.ask("POST", "/cart/empty")
        assert "nothing in your cart" in (await user.ask("GET", "/cart")).text
        orders = [await user.checkout() for _ in range(3)]
        assert all(order.url.path.startswith("/order/") and "Paid." in order.text for order in orders)
        assert len({order.url.path for order in orders}) == 3
        await user.ask("GET", "/logout")
        assert "shop_session-id" not in user.http.cookies
    await shop.check()

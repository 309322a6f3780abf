"""Customers: each opens a guest session, fills a cart, buys it, and does what else it wants, until all is answered."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from apps.store.crashtest.wishes import Wish
from craton.lab.browser import Answer, Browser

ADDRESS = {
    "name": "Ada", "street": "1 Main Street", "city": "Springfield", "postcode": "12345", "country": "US",
}
PAUSE, MOST = 0.5, 100
"""Seconds until a customer tries again what another tab is at, and how often."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One request that changes something, and its final answer. `what`: checkout, resume, cancel, add."""

    what: str
    path: str
    body: Any
    key: str
    answer: Answer


@dataclass
class Customer:
    """One customer, and all that it has done. `orders` is what the shop says in the end that it has bought."""

    wish: Wish
    browser: Browser
    seed: int
    deeds: list[Deed] = field(default_factory=list)
    subject: str = ""
    orders: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, wish: Wish, url: str, *, seed: int, tally: Counter[str], patience: float) -> Customer:
        """A customer with a browser of its own."""
        chance = random.Random(f"{seed}/{wish.number}")
        return cls(wish, Browser(url, tally, chance, wish.hurry, patience), seed)

    # ------------------------------------------------------------------ what it does

    async def fill_cart(self) -> None:
        """Open a session, and put things into a cart."""
        session = (await self.browser.ask("POST", "/sessions/guest")).body
        self.subject = session["subject"]
        self.browser.headers["Authorization"] = f"Bearer {session['token']}"
        for sku, quantity in self.wish.basket.items():
            await self.do("add", "/cart/items", {"sku": sku, "quantity": quantity})

    async def buy(self) -> None:
        """Check the cart out, as it pleases the customer, and do what comes after."""
        wish = self.wish
        if wish.how == "three times at once":
            keys: list[str | None] = [self.key("checkout")] * 3
        else:
            keys = [None, None] if wish.how == "in two tabs" else [None]
        answers = await asyncio.gather(*(self.checkout(wish.card, key=key) for key in keys))
        answer = min(answers, key=lambda found: found.status)
        if answer.status == 402 and wish.another_card:
            answer = await self.checkout(wish.another_card)
        if answer.status == 201:
            await self.go_on(answer.body)

    async def checkout(self, card: str, *, key: str | None = None) -> Answer:
        """Buy what is in the cart."""
        cart = (await self.browser.ask("GET", "/carts/mine")).body
        if not cart["id"]:  # another tab has bought it
            return Answer(404, {})
        body = {"cart": cart["id"], "version": cart["version"], "payment": card, "email": "ada@example.com",
                "address": ADDRESS}
        return await self.do("checkout", "/orders", body, key=key)

    async def go_on(self, order: dict[str, Any]) -> None:
        """What the customer does with an order that was made."""
        waits, after = order["status"] == "stock_confirmed", self.wish.after
        if waits and after in ("resume", "fail at bank", "resume and cancel"):
            await self.visit_bank(order["action_url"], "fail" if after == "fail at bank" else "succeed")
        if waits and after in ("resume", "fail at bank"):
            await self.settle("resume", order["id"])
        elif waits and after == "resume and cancel":
            await asyncio.gather(self.settle("resume", order["id"]), self.settle("cancel", order["id"]))
        elif after == "cancel twice":
            await asyncio.gather(self.settle("cancel", order["id"]), self.settle("cancel", order["id"]))
        elif after == "cancel":
            await self.settle("cancel", order["id"])

    async def settle(self, what: str, order: str) -> Answer:
        """Resume or cancel an order; again, as a new request, where something else was being done with it."""
        path = f"/orders/{order}/{what}"
        body: dict[str, str] | None = {} if what == "cancel" else None
        answer = await self.do(what, path, body)
        for _ in range(MOST - 1):
            if answer.fault != "order-busy" and answer.status < 500:
                break
            await asyncio.sleep(PAUSE)
            answer = await self.do(what, path, body)
        return answer

    async def visit_bank(self, action_url: str, outcome: str) -> None:
        """What a challenged customer does at its bank."""
        bank = urlsplit(action_url)
        form = f"{bank.path}?{bank.query}&outcome={outcome}"
        answer = await replace(self.browser, url=action_url, headers={}).ask("POST", form)
        assert answer.status == 200, answer

    # ------------------------------------------------------------------ how it does it

    def key(self, what: str) -> str:
        """A new key."""
        return f"{self.seed}-{self.wish.number}-{what}-{next(self.keys)}"

    keys = itertools.count()  # of all customers: two that run at once do not get the same

    async def do(self, what: str, path: str, body: Any, *, key: str | None = None) -> Answer:
        """Ask for something until it is answered, and remember that."""
        key = key or self.key(what)
        answer = await self.browser.ask("POST", path, body, key=key, wait=self.wish.wait)
        self.deeds.append(Deed(what, path, body, key, answer))
        return answer

    async def reuse_key(self) -> Answer:
        """Ask for something else under the key of the first checkout."""
        first = next(deed for deed in self.deeds if deed.what == "checkout")
        return await self.browser.ask("POST", first.path, first.body | {"email": "eve@example.com"}, key=first.key)

    async def look(self) -> None:
        """What the shop says of this customer's orders."""
        self.orders = (await self.browser.ask("GET", "/orders?limit=100")).body["items"]

    async def repeat(self, findings: list[str]) -> None:
        """Ask for everything again under the same keys: what is answered differently is a finding."""
        for deed in self.deeds:
            answer = await self.browser.ask("POST", deed.path, deed.body, key=deed.key)
            if answer != deed.answer:
                why = f"{deed.what} under {deed.key} was answered {deed.answer}, and now {answer}"
                findings.append(f"repeat: {self.subject}: {why}")

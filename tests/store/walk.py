"""A walk through the store: what people do at once is done to the store and to its model, and both must agree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any, Literal

from apps.store.carts.contract import Cart
from apps.store.money import Money
from apps.store.orders.contract import Order
from craton import Failed, Fault
from tests.store.explaining import possible
from tests.store.model import Op, Outcome, World
from tests.store.shop import ADDRESS, CART_LIFETIME, EMAIL, HOLD, Person, Shop
from tests.store.test_hearing import discontinue
from tests.store.test_prices import reprice

PEOPLE = ("ann", "bob", "guest")
PRODUCTS = {"mug": (1000, 4), "pot": (6000, 2)}
"""Price and stock at first."""
CARDS = {
    "fine": "pm_card_visa", "declined": "pm_card_chargeDeclined", "challenged": "pm_card_authenticationRequired",
    "cut off when promised": "pm_card_disconnectAfterAuthorize", "cut off when taken": "pm_card_disconnectAfterCharge",
    "silent when promised": "pm_card_timeoutAfterAuthorize", "silent when taken": "pm_card_timeoutAfterCharge",
}
NAMES = count(1)


class Walk:
    """One walk, with people and products of its own."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.people = {"ann": shop.customer(), "bob": shop.customer(), "guest": shop.guest(), "admin": shop.admin}
        self.worlds = [World(hold=HOLD, lifetime=CART_LIFETIME)]
        self.skus: dict[str, str] = {}
        self.orders: dict[str, Order] = {}
        self.carts: dict[str, tuple[str, Cart]] = {}

    async def begin(self) -> None:
        """Put the products on sale, and something into everybody's cart."""
        for product, (price, stock) in PRODUCTS.items():
            self.skus[product] = await self.shop.product(price=price, stock=stock)
            self.worlds[0].prices[product], self.worlds[0].stock[product] = price, stock
        await self.together([Op("add", who) for who in PEOPLE])

    async def together(self, wanted: Sequence[Op], *, stop: str = "", troubles: Sequence[tuple[str, str]] = ()) -> None:
        """Do things at the same time, while a service stops and the provider has troubles."""
        ops = self.resolved(wanted)
        if not ops:
            return
        if troubles:
            await self.shop.bank.control(next=[list(trouble) for trouble in troubles])
        doing = [asyncio.create_task(self.answer(op, stop)) for op in ops]
        if stop:
            await self.interrupt(stop)
        answers = await asyncio.gather(*doing)
        if troubles:
            await self.shop.bank.control(next=[])
        await self.shop.quiet()
        await self.agree(ops, answers)

    def resolved(self, wanted: Sequence[Op]) -> list[Op]:
        """Requests with their names, and what they are about, where there is any; the catalog changes once at most."""
        found, changed = [], False
        for op in wanted:
            if op.kind in ("price", "discontinue") and changed:
                continue
            changed = changed or op.kind in ("price", "discontinue")
            if op.kind == "buy" and op.who not in self.carts:
                continue
            deals = list(self.orders)
            if op.kind in ("cancel", "ship", "refund", "resume", "decide") and not deals:
                continue
            found.append(self.about(op, deals))
        return found

    def about(self, op: Op, deals: list[str]) -> Op:
        """One request with its name, and what it is about."""
        changes: dict[str, Any] = {"name": f"{op.kind}-{next(NAMES)}"}
        if op.kind == "buy":
            name, cart = self.carts[op.who]
            changes["cart"] = (name, cart.version - op.number)  # of which some looked a while ago
        if op.kind in ("cancel", "ship", "refund", "resume", "decide"):
            changes["deal"] = deals[-1 - (int(op.deal or "0") % len(deals))]
        return Op(**{name: getattr(op, name) for name in Op.__dataclass_fields__} | changes)

    async def interrupt(self, service: str) -> None:
        """Stop a service for a moment."""
        await asyncio.sleep(0.02)
        await self.shop.running.close(service)
        await asyncio.sleep(0.05)
        await self.shop.running.open(service)

    # ------------------------------------------------------------------ what is asked, and answered

    async def answer(self, op: Op, stop: str) -> Outcome:
        """Ask, until the answer is known."""
        person, call, arguments = self.call_of(op)
        while True:
            try:
                return self.outcome(op, await person.under(op.name, call, *arguments))
            except Fault as fault:
                return type(fault).__name__
            except Failed:
                if not stop:  # a service that stops breaks what it was doing: ask again under the same key
                    raise
                await asyncio.sleep(0.05)

    def outcome(self, op: Op, answer: object) -> Outcome:
        """What is comparable of an answer."""
        if isinstance(answer, Order):
            if op.kind == "buy":
                self.orders[op.name] = answer
            return ("order", answer.status, answer.refunded.amount, answer.totals.total.amount)
        return self.seen_cart(answer) if isinstance(answer, Cart) else None

    def seen_cart(self, cart: Cart) -> Outcome:
        """What is comparable of a cart."""
        products = {sku: product for product, sku in self.skus.items()}
        lines = {products[line.sku]: (line.quantity, line.unit_price.amount) for line in cart.lines}
        return ("cart", cart.version, lines)

    def call_of(self, op: Op) -> tuple[Person, Callable[..., Awaitable[object]], tuple[Any, ...]]:
        """Who asks what."""
        person, sku, get = self.people[op.who], self.skus[op.sku], self.shop
        carts, orders, inventory, admin = get.carts, get.orders, get.inventory, get.admin
        simple: dict[str, tuple[Person, Callable[..., Awaitable[object]], tuple[Any, ...]]] = {
            "add": (person, carts.add, (sku, op.number)), "set": (person, carts.set_quantity, (sku, op.number)),
            "remove": (person, carts.remove, (sku,)), "clear": (person, carts.clear, ()),
            "refresh": (person, carts.refresh, ()), "merge": (person, carts.merge, (self.people["guest"].token,)),
            "restock": (admin, inventory.restock, (sku, op.number)),
            "adjust": (admin, inventory.adjust, (sku, -op.number)),
            "expire_holds": (admin, inventory.expire, ()), "expire_orders": (admin, orders.expire, ()),
            "expire_carts": (admin, carts.expire, ()),
            "price": (admin, self.reprice, (op,)), "decide": (person, self.decide, (op,)),
            "discontinue": (admin, self.discontinue, (op,)),
        }
        return simple[op.kind] if op.kind in simple else self.order_call(op)

    def order_call(self, op: Op) -> tuple[Person, Callable[..., Awaitable[object]], tuple[Any, ...]]:
        """The same, for what is about orders."""
        orders, admin = self.shop.orders, self.shop.admin
        if op.kind == "buy":
            cart = self.carts[op.who][1]
            return self.people[op.who], orders.checkout, (cart.id, op.cart[1], CARDS[op.card], EMAIL, ADDRESS)
        order, owner = self.orders[op.deal], self.owner_of(op.deal)
        if op.kind == "refund":
            return admin, orders.refund, (order.id, Money(order.totals.total.amount * op.number // 10))
        if op.kind == "ship":
            return admin, orders.ship, (order.id, "1Z")
        return owner, (orders.cancel if op.kind == "cancel" else orders.resume), (order.id,)

    def owner_of(self, deal: str) -> Person:
        """Whose order it is."""
        return next(p for p in self.people.values() if p.caller.subject == self.orders[deal].owner)

    async def reprice(self, op: Op) -> None:
        """Ask another price, whatever it was."""
        await reprice(self.shop, self.skus[op.sku], 500 * op.number)

    async def discontinue(self, op: Op) -> None:
        """Sell a product no longer."""
        await discontinue(self.shop, self.skus[op.sku])

    async def decide(self, op: Op) -> None:
        """Send a customer to the bank, where there is one to go to."""
        outcome: Literal["succeed", "fail"] = "succeed" if op.number % 2 else "fail"
        if url := self.orders[op.deal].action_url:
            await self.shop.bank.decide(url, outcome)

    # ------------------------------------------------------------------ what is there afterwards

    async def agree(self, ops: Sequence[Op], answers: Sequence[Outcome]) -> None:
        """Fail where no order of the requests explains their answers, and what is there."""
        seen = await self.seen()
        gone = [op.sku for op in ops if op.kind == "discontinue"]
        heard = [Op(kind, sku=sku) for sku in gone for kind in ("carts_hear", "stock_hears")]
        after = possible(self.worlds, [*ops, *heard], [*answers, *(None for _ in heard)], seen)
        if not after:
            told = "\n".join(f"  {op} -> {answer}" for op, answer in zip(ops, answers, strict=True))
            before = "\n".join(f"  {world.seen()}\n    {world}" for world in self.worlds[:3])
            raise AssertionError(f"no order explains\n{told}\nwhich began with\n{before}\nand ended with\n  {seen}")
        self.worlds = after
        for who in PEOPLE:
            if basket := self.worlds[0].live(who):
                self.carts[who] = (basket.name, await self.people[who].ask(self.shop.carts.mine))

    async def seen(self) -> Any:
        """What can be seen from outside."""
        carts: dict[str, Any] = {}
        for who in PEOPLE:
            cart = await self.people[who].ask(self.shop.carts.mine)
            if cart.id:
                carts[who] = (cart.state, *self.seen_cart(cart)[1:])
        deals = {}
        for name, order in self.orders.items():
            now = await self.shop.admin.ask(self.shop.orders.order, order.id)
            deals[name] = (now.status, now.refunded.amount)
        found = await self.shop.admin.ask(self.shop.inventory.availability, tuple(self.skus.values()))
        stock = {product: (s.on_hand, s.reserved) for product, s in zip(self.skus, found, strict=True)}
        return carts, deals, stock

    def time_passes(self, seconds: float) -> None:
        """Let time pass, here and in the model."""
        self.shop.clock.forward(seconds)
        for world in self.worlds:
            world.now += seconds

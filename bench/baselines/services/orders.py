"""Orders as a service: it leads a checkout through the others, and takes back what was done where that is not possible.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from bench.baselines.database import Database, opened
from bench.baselines.faults import Fault, Unavailable
from bench.baselines.http import Peer, client
from bench.baselines.parts import orders
from bench.baselines.services.outbox import Outbox, enter
from bench.baselines.site import service
from bench.baselines.values import Bought, Cart, Line, Money, Order, Paid, Product, Wanted, new_id


class Checkout:
    """Buys carts."""

    def __init__(self, database: Database, outbox: Outbox, **peers: Peer) -> None:
        self.database, self.outbox = database, outbox
        self.carts, self.catalog, self.inventory = peers["carts"], peers["catalog"], peers["inventory"]
        self.payments, self.shipping = peers["payments"], peers["shipping"]

    async def buy(self, wanted: Wanted) -> Bought:
        """Buy a cart, once for each key."""
        async with self.database.reading() as db:
            if known := await orders.made(db, wanted.key):
                return known
        order = new_id("order")
        asked = {"owner": wanted.owner, "version": wanted.version, "order": order}
        cart = await self.carts.post(f"/checkouts/{wanted.cart}/freeze", asked, Cart)
        try:
            placed = await self.place(order, wanted, cart)
            await self.sell(placed, wanted.payment)
        except (Fault, Unavailable):
            await self.give_up(order, wanted.cart)
            raise
        await self.finish(placed)
        return Bought(order, "paid")

    async def place(self, order: str, wanted: Wanted, cart: Cart) -> Paid:
        """Make the order, at the prices of the cart, if they are still the prices."""
        goods = cart.total
        products, sent = await asyncio.gather(
            self.catalog.post("/lookup", [line.sku for line in cart.lines], list[Product]),
            self.shipping.get("/quote", Money, country=wanted.address.country, amount=goods.amount,
                              currency=goods.currency),
        )
        lines = orders.priced(cart, products)
        totals = orders.totals_of(lines, cart.currency, sent)
        async with self.database.writing() as db:
            if await orders.claim(db, wanted.key, order):
                raise Fault("OrderBusy")
            return await orders.enter(db, order, wanted, lines=lines, totals=totals)

    async def sell(self, placed: Paid, token: str) -> None:
        """Hold the stock, take the money, and sell."""
        lines = [Line(line.sku, line.quantity) for line in placed.lines]
        await self.inventory.post(f"/reservations/{placed.order}", lines, object)
        asked = {"total": placed.total, "token": token}
        if await self.payments.post(f"/orders/{placed.order}/authorize", asked, str) != "requires_capture":
            raise Fault("CardDeclined", 402, code="authentication_required")
        await self.payments.post(f"/orders/{placed.order}/capture", None, object)

    async def finish(self, placed: Paid) -> None:
        """The order is paid: its stock is sold, and whoever must know will know."""
        await self.inventory.post(f"/reservations/{placed.order}/commit", None, object)
        async with self.database.writing() as db:
            await orders.move(db, placed.order, "paid")
            await enter(db, placed)
        with suppress(Unavailable):  # the outbox tells carts, too
            await self.carts.post(f"/checkouts/{placed.cart}/close", {"order": placed.order}, object)
        self.outbox.soon(placed)

    async def give_up(self, order: str, cart: str) -> None:
        """Nothing was bought: everything is as it was. What does not answer is left to its time limit."""
        undone = [
            self.payments.post(f"/orders/{order}/cancel", None, object),
            self.inventory.post(f"/reservations/{order}/release", None, object),
            self.carts.post(f"/checkouts/{cart}/reopen", {"order": order}, object),
        ]
        async with self.database.writing() as db:
            await orders.give_up(db, order)
        await asyncio.gather(*undone, return_exceptions=True)


@asynccontextmanager
async def living(app: FastAPI) -> AsyncIterator[None]:
    """Answer, while the database is open."""
    async with opened(os.environ["DATABASE"]) as database, client() as http:
        names = ("carts", "catalog", "inventory", "payments", "shipping", "recommendations", "notifications")
        peers = {name: Peer(http, name) for name in names}
        async with Outbox(database, peers) as outbox:
            checkout = Checkout(database, outbox, **peers)

            @app.post("/orders")
            async def buy(wanted: Wanted) -> Bought:
                return await checkout.buy(wanted)

            @app.get("/orders/{order}")
            async def order(order: str, owner: str) -> Order:
                async with database.reading() as db:
                    return await orders.order(db, order, owner)

            yield


app = service(living)

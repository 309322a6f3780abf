"""The monolith: FastAPI and SQLAlchemy in one process, on one database. A page is read over one connection."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import Response

from bench.baselines import joined
from bench.baselines.database import AsyncConnection, Database, opened
from bench.baselines.faults import Fault, Unavailable
from bench.baselines.http import client
from bench.baselines.parts import carts, catalog, inventory, notifications, orders, payments, recommendations, shipping
from bench.baselines.provider import Intent, Provider
from bench.baselines.shop import NEW, RELATED, Filled, Frame, Front, Shown, in_cart
from bench.baselines.site import site
from bench.baselines.values import Bought, Cart, Line, Money, Order, Paid, Wanted, new_id

MAIL = Path(os.environ.get("MAIL", ".craton/mail"))
WEBHOOK_SECRET = os.environ.get("WEBHOOK_SECRET", "whsec_store_simulation")


class Monolith:
    """The shop in one process."""

    def __init__(self, database: Database, provider: Provider) -> None:
        self.database, self.provider = database, provider
        self.letters = set[asyncio.Task[None]]()

    async def front(self, owner: str) -> Front:
        """The front page for a visitor."""
        async with self.database.reading() as db:
            frame, new = await frame_of(db, owner), await joined.newest(db, NEW)
            return Front(frame, new, await joined.suggested(db, [], RELATED))

    async def product(self, owner: str, sku: str) -> Shown:
        """A product's page."""
        async with self.database.reading() as db:
            product, stock = await joined.product(db, sku)
            return Shown(await frame_of(db, owner), product, stock, await joined.suggested(db, [sku], RELATED))

    async def filled(self, owner: str) -> Filled:
        """The cart's page."""
        async with self.database.reading() as db:
            categories, cart = await catalog.categories(db), await carts.mine(db, owner)
            skus = [line.sku for line in cart.lines]
            left = {one.sku: one.available for one in await inventory.stock_of(db, skus)}
            return Filled(Frame(categories, in_cart(cart)), cart, left, await joined.suggested(db, skus, RELATED))

    async def frame(self, owner: str) -> Frame:
        """What stands around other pages."""
        async with self.database.reading() as db:
            return await frame_of(db, owner)

    async def cart(self, owner: str) -> Cart:
        """A customer's cart."""
        async with self.database.reading() as db:
            return await carts.mine(db, owner)

    async def add(self, owner: str, sku: str, quantity: int) -> None:
        """Put a product into a cart."""
        async with self.database.writing() as db:
            try:
                product = await catalog.product(db, sku)
            except Fault:
                raise Fault("ProductUnavailable") from None
            await carts.add(db, owner, product, quantity)

    async def shipping(self, country: str, goods: Money) -> Money:
        """What it costs to send goods."""
        return shipping.price(country, goods)

    async def order(self, owner: str, order: str) -> Order:
        """One order of a customer."""
        async with self.database.reading() as db:
            return await orders.order(db, order, owner)

    async def checkout(self, wanted: Wanted) -> Bought:
        """Buy a cart: what is ours in one transaction before the provider is asked, and in one after it took the money.
        """
        placed = await self.place(wanted)
        if isinstance(placed, Bought):
            return placed
        try:
            said = await self.take_money(placed, wanted.payment)
        except (Fault, Unavailable):
            await self.give_up(placed)
            raise
        await self.finish(placed, said)
        letter = asyncio.create_task(notifications.send(self.database, MAIL, placed))
        self.letters.add(letter)
        letter.add_done_callback(self.letters.discard)
        return Bought(placed.order, "paid")

    async def place(self, wanted: Wanted) -> Paid | Bought:
        """Freeze the cart, check its prices, make the order and hold its stock; the order that this form has made."""
        order = new_id("order")
        async with self.database.writing() as db:
            if known := await orders.claim(db, wanted.key, order):
                return known
            cart = await carts.freeze(db, wanted.cart, version=wanted.version, owner=wanted.owner, order=order)
            lines = orders.priced(cart, await catalog.lookup(db, [line.sku for line in cart.lines]))
            totals = orders.quoted(lines, cart.currency, wanted.address.country)
            placed = await orders.enter(db, order, wanted, lines=lines, totals=totals)
            await inventory.reserve(db, order, (Line(line.sku, line.quantity) for line in lines))
            await payments.begin(db, order, totals.total)
        return placed

    async def take_money(self, placed: Paid, token: str) -> Intent:
        """Have the money promised, note that, and take it."""
        said = await self.provider.authorize(placed.order, placed.total, token)
        async with self.database.reading() as db:
            await payments.note(db, placed.order, said)
        if said.status != "requires_capture":
            raise Fault("CardDeclined", 402, code="authentication_required")
        return await self.provider.capture(said.reference, placed.order)

    async def finish(self, placed: Paid, said: Intent) -> None:
        """The order is paid: its stock is sold, and whoever must know knows."""
        async with self.database.writing() as db:
            await payments.note(db, placed.order, said)
            await inventory.commit(db, placed.order)
            await orders.move(db, placed.order, "paid")
            await carts.close(db, placed.cart, placed.order)
            await shipping.prepare(db, placed)
            await notifications.write(db, placed)
            await recommendations.learn(db, placed.lines)  # the rows that many orders change come last

    async def give_up(self, placed: Paid) -> None:
        """Nothing was bought: everything is as it was."""
        async with self.database.reading() as db:
            reference = await payments.reference(db, placed.order)
        if reference:
            await self.provider.cancel(reference, placed.order)
        async with self.database.writing() as db:
            await inventory.release(db, placed.order)
            await orders.give_up(db, placed.order)
            await carts.reopen(db, placed.cart, placed.order)

    async def hear(self, request: Request) -> Response:
        """The provider says that something happened."""
        payload, signature = await request.body(), request.headers.get("stripe-signature", "")
        async with self.database.writing() as db:
            await payments.hear(db, payload, signature, WEBHOOK_SECRET)
        return Response()


async def frame_of(db: AsyncConnection, owner: str) -> Frame:
    """What stands around a page."""
    return Frame(await catalog.categories(db), await carts.count(db, owner) if owner else 0)


@asynccontextmanager
async def shop(app: FastAPI) -> AsyncIterator[Monolith]:
    """The shop, while the application runs."""
    async with opened(os.environ["DATABASE"]) as database, client() as http:
        monolith = Monolith(database, Provider(http))
        app.add_api_route("/payments/webhook", monolith.hear, methods=["POST"], response_model=None)
        yield monolith
        await asyncio.gather(*monolith.letters)


app = site(shop)

"""The checkout of the monolith written by hand: once for each form, all of it or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import uvicorn

from apps.store.provider.app import Provider as Bank
from apps.store.provider.books import Books
from bench.baselines import monolith
from bench.baselines.database import opened
from bench.baselines.faults import Fault
from bench.baselines.http import client
from bench.baselines.monolith import Monolith
from bench.baselines.prepare import make
from bench.baselines.provider import Provider
from bench.baselines.values import Address, Wanted
from craton.run.folder import free_port

PARTS = ["catalog", "inventory", "carts", "orders", "payments", "shipping", "notifications", "recommendations"]
MUG, ANN = "mug-stoneware", "guest:ann"
HOME = Address("Ann Example", "1 Main Street", "Springfield", "12345", "US")


@asynccontextmanager
async def bank(folder: Path) -> AsyncIterator[str]:
    """The simulated payment provider's URL."""
    port = free_port()
    app = Bank(Books(folder / "provider.db"), secret="whsec").app()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # it tells in no other way
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def opened_shop(server: str, folder: Path) -> AsyncIterator[Monolith]:
    """A shop with its products, on a database of its own."""
    name = f"baseline_{uuid4().hex}"
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    await make(PARTS, f"{server}/{name}")
    async with opened(f"{server}/{name}") as database, client() as http, bank(folder) as url:
        shop = Monolith(database, Provider(http, url))
        yield shop
        await asyncio.gather(*shop.letters)


async def wanted(shop: Monolith, card: str = "pm_card_visa") -> Wanted:
    """What a customer sends who buys two mugs."""
    await shop.add(ANN, MUG, 2)
    cart = await shop.cart(ANN)
    return Wanted("form-1", ANN, cart.id, cart.version, card, "ann@example.com", HOME)


async def left(shop: Monolith) -> int:
    """How many mugs are left."""
    shown = await shop.product(ANN, MUG)
    assert shown.stock is not None
    return shown.stock.available


async def test_a_form_that_is_sent_many_times_at_once_buys_once(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monolith, "MAIL", tmp_path / "mail")
    async with opened_shop(postgresql, tmp_path) as shop:
        form, before = await wanted(shop), await left(shop)
        bought = await asyncio.gather(*(shop.checkout(form) for _ in range(5)))
        assert len({order.id for order in bought}) == 1
        assert (await shop.order(ANN, bought[0].id)).status == "paid"
        assert await left(shop) == before - 2
        assert (await shop.cart(ANN)).lines == []


async def test_a_card_that_is_declined_leaves_everything_as_it_was(postgresql: str, tmp_path: Path) -> None:
    async with opened_shop(postgresql, tmp_path) as shop:
        form, before = await wanted(shop, "pm_card_chargeDeclined"), await left(shop)
        with pytest.raises(Fault, match="CardDeclined"):
            await shop.checkout(form)
        assert await left(shop) == before
        assert [line.quantity for line in (await shop.cart(ANN)).lines] == [2]

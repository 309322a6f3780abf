"""A customer's walk through the shop, and what of it must be the same whoever wrote the shop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import asyncpg
from selectolax.lexbor import LexborHTMLParser

from apps.store.scenarios import CUSTOMER, shopping
from craton.lab.compare.stand import Setup, Stand
from craton.lab.compare.stand_beside import beside_stand
from craton.lab.compare.stand_craton import craton_stand
from craton.lab.compare.standing import Standing
from craton.lab.load.visitor import Guest, visit
from craton.lab.scenario import Response

BASELINES = Path(__file__).parents[2] / "bench" / "baselines"
PATIENT = {"CRATON_STOREFRONT_PATIENCE": "10", "CRATON_STOREFRONT_WAIT": "10", "PATIENCE": "10"}
"""On a machine that is busy no page is to do without what comes late."""
SETUP = Setup(package="apps.store", settings=PATIENT)
OWN = re.compile(r"(order|form|cart|guest)-[0-9a-z]+|\d+ \w+ \d{4}, \d\d:\d\d")
"""What no two shops have in common: ids, keys and times."""
ROWS: Mapping[str, str] = {
    "orders_orders": "email, address, goods, shipping, tax, total, refunded, status, busy",
    "orders_lines": "position, sku, name, quantity, price", "orders_history": "status, note",
    "carts_carts": "state, version, currency", "carts_lines": "sku, name, quantity, price, position",
    "inventory_stock": "sku, on_hand, reserved", "inventory_reservations": "state",
    "inventory_lines": "sku, quantity", "payments_payments": "status, amount, captured, refunded",
    "shipping_shipments": "state, address, lines", "notifications_messages": "kind, recipient, state",
    "recommendations_products": "sku, sold, available", "recommendations_pairs": "sku, other, orders",
}
"""What is to stand in the tables after the same walk."""
Seen = tuple[str, int, str, str]
"""What was asked, the status, where it leads, and what is to be read there."""


def stand_of(name: str) -> Any:
    """Brings a side up: the store itself, or one of the baselines."""
    return craton_stand(SETUP, "monolith") if name == "store" else beside_stand(SETUP, BASELINES / f"{name}.toml")


def read(answer: Response) -> str:
    """What a page says and shows: its text, pictures, links and fields."""
    html = LexborHTMLParser(answer.text)
    body = html.body
    text = " ".join(body.text(separator=" ").split()) if body else answer.text
    shown = [f"{node.tag}={node.attributes.get(name)}" for selector, name in (
        ("a[href]", "href"), ("img[src]", "src"), ("form[action]", "action"), ("input[name]", "value"),
    ) for node in html.css(selector)]
    return OWN.sub("...", " ".join((text, *shown)))


async def walk(url: str) -> list[Seen]:
    """All that the slice can be asked for, what is refused included."""
    seen = list[Seen]()
    async with visit(url) as guest:
        async for what, answer in steps(guest):
            place = OWN.sub("...", answer.headers.get("location", ""))
            seen.append((what, answer.status, place, read(answer)))
    return seen


async def steps(guest: Guest) -> AsyncIterator[tuple[str, Response]]:
    """The walk."""

    async def get(path: str) -> tuple[str, Response]:
        return OWN.sub("...", path), await guest.get(path, expect=ANY)

    async def post(path: str, **form: str) -> tuple[str, Response]:
        return f"{path} {form}", await guest.post(path, form=form, expect=ANY)

    for path in ("/", "/product/mug-stoneware", "/product/none", "/cart", "/checkout"):
        yield await get(path)
    yield await post("/cart/checkout", **CUSTOMER)
    yield await post("/setCurrency", currency_code="JPY", back="/product/mug-stoneware")
    for sku, quantity in (("mug-stoneware", "2"), ("kettle-gooseneck", "1"), ("mug-stoneware", "1")):
        yield await post("/cart", product_id=sku, quantity=quantity)
    for sku, quantity in (("mug-stoneware", "99"), ("mug-stoneware", "many"), ("none", "1")):
        yield await post("/cart", product_id=sku, quantity=quantity)
    for path in ("/cart?note=added", "/", "/product/mug-stoneware", "/checkout"):
        yield await get(path)
    yield await post("/cart/checkout", **CUSTOMER | {"email": "", "country": "Atlantis"})
    yield await post("/cart/checkout", **CUSTOMER | {"credit_card_number": "4000000000000002"})
    yield await get("/cart")
    shown = LexborHTMLParser((await get("/checkout"))[1].text)
    form = {name: value_of(shown, name) for name in ("cart", "version", "key")}
    bought = "/cart/checkout, whole", await guest.post("/cart/checkout", form=CUSTOMER | form, expect=ANY)
    yield bought
    yield "/cart/checkout, again", await guest.post("/cart/checkout", form=CUSTOMER | form, expect=ANY)
    yield await get(bought[1].headers["location"])
    await rest(guest)
    for path in ("/cart", "/", "/product/mug-stoneware", "/product/kettle-gooseneck", "/product/press-french-1l"):
        yield await get(path)
    yield await post("/cart", product_id="press-french-1l", quantity="2")
    yield await post("/cart/checkout", **CUSTOMER | {"country": "Svalbard & Jan Mayen Islands"})


def value_of(page: LexborHTMLParser, name: str) -> str:
    """What stands in a field of the checkout's form."""
    return page.css(f'form[action="/cart/checkout"] input[name="{name}"]')[0].attributes["value"] or ""


ANY = cast("tuple[int, ...]", range(100, 600))


async def rest(guest: Guest) -> None:
    """Let those who hear of an order afterwards hear of it: what was bought is recommended then."""
    for _ in range(300):
        if "What others like" in (await guest.get("/", expect=ANY)).text:
            break
        await asyncio.sleep(0.2)
    await asyncio.sleep(1)


async def shop(url: str) -> list[tuple[str, str]]:
    """One customer who does what the scenario says, and what came of each action."""
    done = list[tuple[str, str]]()
    async with visit(url, seed=7) as guest:
        actions, weights = zip(*shopping.mix.items(), strict=True)
        for action in guest.chance.choices(actions, weights, k=40):
            try:
                await action(guest)
                done.append((action.__name__, "done"))
            except Exception as error:  # what it was is compared
                done.append((action.__name__, OWN.sub("...", repr(error))))
    return done


async def books(stand: Stand) -> dict[str, list[Sequence[Any]]]:
    """What stands in a side's tables, in whichever of its databases and schemas they are."""
    found = dict[str, list[Sequence[Any]]]()
    server = cast(Standing, stand).server
    for (database,) in await server.ask("SELECT datname FROM pg_database WHERE NOT datistemplate"):
        async with connected(server.database(database)) as connection:
            for schema, table in await connection.fetch("SELECT schemaname, tablename FROM pg_tables"):
                if table in ROWS:
                    rows = await connection.fetch(f'SELECT {ROWS[table]} FROM "{schema}"."{table}"')
                    found[table] = sorted((tuple(row) for row in rows), key=repr)
    return found


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """A connection."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()

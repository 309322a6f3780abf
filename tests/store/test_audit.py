"""Every rule of the audit finds what it is there to find: right books are falsified, one entry at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
import pytest_asyncio

from apps.store.money import Money
from tests.store.audit import ALWAYS, AT_REST, violations
from tests.store.conftest import quick_folder
from tests.store.ledgers import Ledgers, Row, read
from tests.store.shop import Shop, Structure, open_shop
from tests.store.unit_simulation import simulated

pytestmark = pytest.mark.asyncio(loop_scope="session")
Falsify = Callable[[Ledgers], None]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def books() -> AsyncIterator[Ledgers]:
    """The books of a store where something of everything has happened."""
    with quick_folder() as folder, simulated(folder / "provider") as provider:
        async with open_shop(Structure("monolith"), provider=provider.url, data=folder) as shop:
            await some_of_everything(shop)
            await shop.quiet(webhooks=True)
            yield await read(shop.running, provider=provider.url)


async def some_of_everything(shop: Shop) -> None:
    """The first order is paid, the second shipped, the third cancelled, and the fourth waits for the bank."""
    sku, other, ann = await shop.product(stock=20, price=2000), await shop.product(price=1), shop.customer()
    for number in range(4):
        card = "pm_card_authenticationRequired" if number == 3 else "pm_card_visa"
        order = await ann.order_of(*([sku, other] if number == 0 else [sku]), quantity=2, card=card)
        if number == 1:
            await shop.admin.ask(shop.orders.ship, order.id)
            await shop.admin.ask(shop.orders.refund, order.id, Money(100))
        if number == 2:
            await ann.ask(shop.orders.cancel, order.id)
    gone, dearer, bob = await shop.product(), await shop.product(), shop.customer()
    await bob.fill(gone, dearer)
    await shop.admin.ask(shop.catalog.discontinue, gone, 1)
    await shop.admin.ask(shop.catalog.change_price, dearer, Money(3000), 1)
    await shop.admin.ask(shop.inventory.adjust, dearer, -9)


def put(table: str, column: str, value: Any, *, row: int = 0) -> Falsify:
    """Write something else into a row."""
    def change(books: Ledgers) -> None:
        rows: list[Any] = books.tables[table] if table in books.tables else getattr(books, table)
        made = [order["id"] for order in sorted(books["orders_orders"], key=lambda order: order["placed"])]
        names = ("order_id", "order", "id")
        rows.sort(key=lambda entry: next((made.index(entry[n]) for n in names if entry.get(n) in made), 0))
        rows[row] = {**rows[row], column: value}

    return change


def placed(books: Ledgers) -> Row:
    """The event that tells of some order."""
    return next(row for row in books["orders_outbox"] if row["type"] == "OrderPlaced")


def falsifications() -> Iterator[tuple[str, Falsify]]:
    """What is done to the books, and the invariant that it breaks."""
    paid, shipped, cancelled, waiting = range(4)
    yield "S1", put("inventory_stock", "on_hand", -1)
    yield "S1", put("inventory_stock", "reserved", 10**6)
    yield "S8", put("inventory_stock", "on_hand", 19)
    yield "S8", put("inventory_stock", "reserved", 1)
    yield "S8", put("inventory_movements", "delta", 21)
    yield "S9", put("orders_orders", "total", 1)
    yield "S9", put("orders_lines", "price", 1)
    yield "S11", put("orders_orders", "status", "shipped")
    yield "S11", put("orders_history", "status", "paid")
    yield "S11", put("payments_refunds", "amount", 10**6)
    yield "S10", lambda books: books.tables["orders_orders"].append(dict(books["orders_orders"][0], id="order-again"))
    for status in (paid, shipped):
        yield "S2", put("intents", "captured", 1, row=status)
        yield "S2", put("intents", "captured", 10**6, row=status)
        yield "S2", put("intents", "net", 0, row=status)
    yield "S3", put("intents", "net", 1, row=cancelled)
    yield "S2", put("intents", "net", 1, row=waiting)
    yield "S7", put("inventory_reservations", "state", "released", row=paid)
    yield "S7", put("inventory_reservations", "state", "committed", row=cancelled)
    yield "S7", put("inventory_reservations", "state", "expired", row=cancelled)
    yield "S7", put("inventory_reservations", "state", "secured", row=waiting)
    yield "S7", put("intents", "status", "requires_capture", row=cancelled)
    yield "S7", put("inventory_lines", "quantity", 1, row=paid)
    yield "S12", put("orders_orders", "busy", "checkout")
    yield "S12", put("payments_refunds", "state", "asked")
    for state in ("running", "undoing", "parked"):
        yield "S12", put("orders_saga", "state", state)
    yield "S12", put("payments_inbox", "status", "running")
    yield "S12", lambda books: books.tables["orders_outbox"].append(dict(placed(books), id="again"))
    yield "S4", put("intents", "order", "order-of-nobody", row=paid)
    yield "S4", lambda books: books.tables["payments_payments"].clear()
    yield "S2", lambda books: books.intents.append(dict(books.intents[0], id="pi_again"))
    yield "S2", lambda books: books.ledger.append(books.ledger[0])
    yield "S6", put("payments_payments", "status", "canceled", row=paid)
    yield "S6", put("payments_payments", "refunded", 0, row=cancelled)
    yield "S2", put("payments_refunds", "state", "refused")
    yield "S10", put("carts_carts", "state", "open")


def falsified_hearsay() -> Iterator[tuple[str, Falsify]]:
    """The same, for what modules have heard of each other."""
    paid, shipped, cancelled = range(3)
    yield "S12", put("orders_outbox", "status", "stored")
    yield "S12", lambda books: books.tables["carts_letter"].append(LETTER)
    yield "S16", put("shipping_shipments", "state", "sent", row=paid)
    yield "S16", put("shipping_shipments", "state", "waiting", row=cancelled)
    yield "S16", drop("shipping_shipments")
    yield "S16", put("shipping_shipments", "order_id", "order-of-nobody", row=shipped)
    yield "S17", put("shipping_shipments", "lines", '[{"sku":"x","quantity":1}]', row=paid)
    yield "S17", put("shipping_shipments", "tracking", "1Z", row=paid)
    yield "S6", lambda books: books.tables["notifications_messages"].append(books["notifications_messages"][0])
    yield "S6", drop("notifications_messages")
    yield "S12", put("notifications_messages", "state", "waiting")
    yield "S6", put("recommendations_products", "sold", 1000)
    yield "S6", put("recommendations_pairs", "orders", 2)
    yield "S15", put_where("carts_lines", "withdrawn", True, "withdrawn", False)
    yield "S15", put_where("inventory_stock", "discontinued", True, "discontinued", False)
    yield "S15", put_where("recommendations_products", "discontinued", False, "discontinued", True)
    yield "S15", put_where("recommendations_products", "available", True, "available", False)
    yield "S14", put_where("carts_products", "price", 3000, "price", 2999)
    yield "S9", lambda books: books.tables["carts_products"].clear()
    yield "S17", lambda books: books.ledger.append({"entry": "captured", "intent": "pi_of_nobody", "amount": 1})


LETTER = {"subscriber": "carts.reprice", "type": "ProductPriceChanged", "error": "", "status": "parked"}


def drop(table: str) -> Falsify:
    """Forget a row."""
    def falsify(books: Ledgers) -> None:
        books.tables[table].pop()

    return falsify


def put_where(table: str, column: str, value: Any, change: str, to: Any) -> Falsify:
    """Write something else into the rows that have a value in a column."""
    def falsify(books: Ledgers) -> None:
        assert any(row[column] == value for row in books[table]), (table, column, value)
        books.tables[table] = [{**row, change: to} if row[column] == value else row for row in books[table]]

    return falsify


async def test_right_books_are_found_right(books: Ledgers) -> None:
    assert violations(books, quiet=True) == []


async def test_every_falsification_is_found_as_what_it_is(books: Ledgers) -> None:
    for invariant, falsify in (*falsifications(), *falsified_hearsay()):
        false = deepcopy(books)
        falsify(false)
        found = violations(false, quiet=True)
        assert any(line.startswith(f"{invariant}:") for line in found), (invariant, found)


async def test_every_rule_finds_something(books: Ledgers) -> None:
    found = set()
    for _, falsify in (*falsifications(), *falsified_hearsay()):
        false = deepcopy(books)
        falsify(false)
        found |= {rule for rule in (*ALWAYS, *AT_REST) if list(rule(false))}
    assert found == {*ALWAYS, *AT_REST}

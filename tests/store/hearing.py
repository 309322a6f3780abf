"""What modules should have made of the events of others, once all of these have arrived: each exactly once (S6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import msgspec

from tests.store.cases import Case, cases
from tests.store.ledgers import Ledgers, Row

SHIPMENTS = {"paid": "waiting", "shipped": "sent", "cancelled": "stopped"}
"""What a shipment is at rest, by the status of an order that was paid."""


def body_of(row: Row) -> dict[str, Any]:
    """A stored event."""
    return dict(msgspec.json.decode(row["body"]))


def events_have_arrived(books: Ledgers) -> Iterator[str]:
    """S6 and S12."""
    for table in books.tables:
        if table.endswith("_outbox"):
            late = (row for row in books[table] if row["status"] != "sent")
            yield from (f"S12: {row['type']} ({row['id']}) waits for {row['pending']} in {table}" for row in late)
        if table.endswith("_letter"):
            yield from (f"S12: {r['subscriber']} has not taken {r['type']}: {r['error']}" for r in books[table])


def goods_go_out_once_they_are_paid(books: Ledgers) -> Iterator[str]:
    """S16."""
    shipments = {row["order_id"]: row for row in books["shipping_shipments"]}
    for case in cases(books):
        found = shipments.pop(case.id, None)
        wanted = SHIPMENTS[case.status] if "paid" in case.path else None
        if (found and found["state"]) != wanted:
            yield f"S16: {case.id} went {' -> '.join(case.path)}, and its shipment is {found and found['state']}"
        elif found:
            yield from shipment_differs(case, found)
    yield from (f"S16: goods go out for {order}, of which orders know nothing" for order in shipments)


def shipment_differs(case: Case, shipment: Row) -> Iterator[str]:
    """S17: the same goods go out that were ordered."""
    sent = [(line["sku"], line["quantity"]) for line in msgspec.json.decode(shipment["lines"])]
    ordered = [(line["sku"], line["quantity"]) for line in sorted(case.lines, key=lambda line: line["position"])]
    if sent != ordered:
        yield f"S17: {ordered} were ordered with {case.id}, and {sent} go out"
    if shipment["tracking"] != case.order["tracking"]:
        yield f"S17: {case.id} is tracked as {case.order['tracking']}, and its shipment as {shipment['tracking']}"


def people_are_told_once(books: Ledgers) -> Iterator[str]:
    """S6: one message for each thing that happened, and none that still waits."""
    wanted = Counter(
        (kind, about) for row in (*books["orders_outbox"], *books["inventory_outbox"])
        for kind, about in news(row["type"], body_of(row))
    )
    found = Counter((row["kind"], row["about"]) for row in books["notifications_messages"])
    for about in sorted(wanted.keys() | found.keys()):
        if wanted[about] != found[about]:
            yield f"S6: {' '.join(about)} happened {wanted[about]} times, and was told {found[about]} times"
    late = [row for row in books["notifications_messages"] if row["state"] == "waiting"]
    yield from (f"S12: {row['kind']} of {row['about']} was never sent to {row['recipient']}" for row in late)


def news(event: str, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The message that an event makes, and what it is about."""
    kinds = {"OrderPaid": "paid", "OrderShipped": "shipped", "OrderRefunded": "refunded"}
    if event in kinds:
        yield kinds[event], body["order"]
    if event == "OrderCancelled" and body["refunded"]["amount"]:
        yield "cancelled", body["order"]
    if event == "StockLow":
        yield "stock low", body["sku"]


def what_was_bought_is_learned_once(books: Ledgers) -> Iterator[str]:
    """S6: recommendations count what orders say."""
    sold, pairs = Counter[str](), Counter[tuple[str, str]]()
    for case in cases(books):
        if "paid" in case.path:
            sold.update({line["sku"]: line["quantity"] for line in case.lines})
            pairs.update(permutations({line["sku"] for line in case.lines}, 2))
    learned = {row["sku"]: row["sold"] for row in books["recommendations_products"] if row["sold"]}
    if learned != {sku: number for sku, number in sold.items() if number}:
        yield f"S6: recommendations know of {learned}, and {dict(sold)} was sold"
    together = {(row["sku"], row["other"]): row["orders"] for row in books["recommendations_pairs"]}
    if together != pairs:
        yield f"S6: recommendations know of {together}, and {dict(pairs)} were bought together"


def what_is_not_sold_is_offered_nowhere(books: Ledgers) -> Iterator[str]:
    """S15."""
    gone = {row["sku"] for row in books["catalog_products"] if row["status"] == "discontinued"}
    carts = {row["id"]: row["state"] for row in books["carts_carts"]}
    for line in books["carts_lines"]:
        if line["sku"] in gone and not line["withdrawn"] and carts[line["cart_id"]] == "open":
            yield f"S15: {line['sku']} is no longer sold, and still in cart {line['cart_id']}"
    for table in ("inventory_stock", "recommendations_products"):
        for row in books[table]:
            if bool(row["discontinued"]) != (row["sku"] in gone):
                yield f"S15: {table} has {row['sku']} as discontinued={row['discontinued']}"


def what_is_out_of_stock_is_not_recommended(books: Ledgers) -> Iterator[str]:
    """S15."""
    left = {row["sku"]: row["on_hand"] - row["reserved"] for row in books["inventory_stock"]}
    for row in books["recommendations_products"]:
        if not row["discontinued"] and bool(row["available"]) != (left.get(row["sku"], 0) > 0):
            yield f"S15: recommendations have {row['sku']} as available={row['available']}, of which {left} are left"


def carts_have_heard_of_every_price(books: Ledgers) -> Iterator[str]:
    """S9 and S14: whoever has something in a cart that costs something else now has been told."""
    prices = {row["sku"]: (row["price"], row["version"]) for row in books["catalog_products"]}
    heard = {row["sku"]: row for row in books["carts_products"]}
    for sku, row in heard.items():
        if row["price"] is not None and row["price"] != prices[sku][0]:
            yield f"S14: {sku} costs {prices[sku][0]}, and carts have heard of {row['price']}"
    carts = {row["id"]: row["state"] for row in books["carts_carts"]}
    for line in books["carts_lines"]:
        price, _ = prices[line["sku"]]
        told = heard.get(line["sku"], {}).get("price")
        if carts[line["cart_id"]] == "open" and not line["withdrawn"] and price not in (line["price"], told):
            yield f"S9: {line['sku']} costs {price}, and cart {line['cart_id']} shows {line['price']}"


def the_sums_agree(books: Ledgers) -> Iterator[str]:
    """S17: what payments have taken is what orders cost, and what the provider's ledger says."""
    ours = sum(row["captured"] - row["refunded"] for row in books["payments_payments"])
    sold = sum(case.order["total"] - case.order["refunded"] for case in cases(books) if case.status in SOLD)
    theirs = sum(SIGNS.get(row["entry"], 0) * row["amount"] for row in books.ledger)
    if not ours == sold == theirs:
        yield f"S17: payments have {ours}, orders come to {sold}, and the provider's ledger to {theirs}"


SOLD, SIGNS = ("paid", "shipped"), {"captured": 1, "refunded": -1}
HEARD = (
    events_have_arrived, goods_go_out_once_they_are_paid, people_are_told_once, what_was_bought_is_learned_once,
    what_is_not_sold_is_offered_nowhere, what_is_out_of_stock_is_not_recommended, carts_have_heard_of_every_price,
    the_sums_agree,
)
"""The rules of this file."""

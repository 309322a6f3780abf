"""The audit: do the provider's books, the store's databases and its API tell the same story, and a right one?

    violations = await audit(running, provider="http://127.0.0.1:8100")

`running` is what `start` gives, in one process or in many. Each violation is a sentence that begins with the invariant
it breaks (S1 to S17). At rest (no saga, no effect, no event, no webhook under way; see `settled`) everything must
agree. With quiet=False only what must hold at every moment is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from apps.store.inventory.contract import Inventory
from apps.store.orders.contract import Orders
from apps.store.payments.contract import Payments
from craton.testing.start import Running, calling, user
from tests.store.cases import cases
from tests.store.hearing import HEARD
from tests.store.ledgers import Ledgers, Row, read, read_tables, settled, unrest

SOLD = ("paid", "shipped")
PATHS = {
    "submitted": {"stock_confirmed", "paid", "cancelled"}, "stock_confirmed": {"paid", "cancelled"},
    "paid": {"shipped", "cancelled"}, "shipped": set[str](), "cancelled": set[str](),
}
"""Where an order may go from where it is."""
Told = Mapping[str, tuple[object, ...]]
Rule = Callable[[Ledgers], Iterator[str]]


# ---------------------------------------------------------------------- at every moment


def stock_is_neither_oversold_nor_lost(books: Ledgers) -> Iterator[str]:
    """S1 and S8, for each product."""
    state = {row["order_id"]: row["state"] for row in books["inventory_reservations"]}
    reserved, sold, moved = Counter[str](), Counter[str](), Counter[str]()
    for line in books["inventory_lines"]:
        reserved[line["sku"]] += line["quantity"] * (state[line["order_id"]] in ("held", "secured"))
        sold[line["sku"]] += line["quantity"] * (state[line["order_id"]] in ("committed", "returned"))
    for movement in books["inventory_movements"]:
        moved[movement["sku"]] += movement["delta"]
    for row in books["inventory_stock"]:
        sku, here, held = row["sku"], row["on_hand"], row["reserved"]
        if not 0 <= held <= here:
            yield f"S1: of {sku} {here} are there and {held} are reserved"
        if held != reserved[sku]:
            yield f"S8: of {sku} {held} are reserved, and reservations hold {reserved[sku]}"
        if moved[sku] != here + sold[sku]:
            yield f"S8: of {sku} {moved[sku]} came in, {sold[sku]} were sold, and {here} are there"


def totals_are_the_sum_of_what_was_ordered(books: Ledgers) -> Iterator[str]:
    """S9."""
    for case in cases(books):
        order, goods = case.order, sum(line["price"] * line["quantity"] for line in case.lines)
        if order["goods"] != goods or order["total"] != goods + order["shipping"] + order["tax"]:
            yield f"S9: {case.id} has goods for {goods} and a total of {order['total']}"


def orders_take_one_legal_path(books: Ledgers) -> Iterator[str]:
    """S11."""
    for case in cases(books):
        steps = list(zip(case.path, case.path[1:], strict=False))
        if case.path[:1] != ["submitted"] or case.path[-1] != case.status or any(b not in PATHS[a] for a, b in steps):
            yield f"S11: {case.id} went {' -> '.join(case.path)} and is {case.status}"


def a_cart_is_bought_once(books: Ledgers) -> Iterator[str]:
    """S10 and S5."""
    alive = Counter(order["cart"] for order in books["orders_orders"] if order["status"] != "cancelled")
    yield from (f"S10: cart {cart} became {number} orders" for cart, number in alive.items() if number > 1)


def money_and_goods_are_where_orders_say(books: Ledgers) -> Iterator[str]:
    """S2, S3 and S7, as far as they hold while others work: books that are read later know at least as much."""
    for case in cases(books):
        if case.status in SOLD and case.captured != case.order["total"]:
            yield f"S2: {case.id} is {case.status} for {case.order['total']}, and {case.captured} was taken"
        if case.status == "cancelled" and case.net != 0:
            yield f"S3: {case.id} is cancelled, and {case.net} was kept"
        if case.status in SOLD and case.reservation not in ("committed", "returned"):
            yield f"S7: {case.id} is {case.status}, and its stock is {case.reservation}"
        if case.status == "cancelled" and case.reservation in ("held", "secured", "committed"):
            yield f"S7: {case.id} is cancelled, and its stock is {case.reservation}"
        if case.captured > case.order["total"]:
            yield f"S2: {case.captured} was taken for {case.id}, which costs {case.order['total']}"


def no_more_is_given_back_than_was_taken(books: Ledgers) -> Iterator[str]:
    """S11."""
    taken = {row["order_id"]: row["captured"] for row in books["payments_payments"]}
    for order, refunds in books.by("payments_refunds", "order_id").items():
        given = sum(row["amount"] for row in refunds if row["state"] != "refused")
        if given > taken.get(order, 0):
            yield f"S11: {given} is to be given back for {order}, and {taken.get(order, 0)} was taken"


# ---------------------------------------------------------------------- at rest


def everything_has_ended(books: Ledgers) -> Iterator[str]:
    """S12."""
    for table in (table for table in books.tables if table.endswith("_saga")):
        for row in books[table]:
            if row["state"] in ("running", "undoing", "parked"):
                yield f"S12: {row['method']} ({row['id']}) is {row['state']}: {row['type']}"
    for table in (table for table in books.tables if table.endswith("_inbox")):
        yield from (f"S12: {r['method']} ({r['key']}) has no outcome" for r in books[table] if r["status"] == "running")
    for case in cases(books):
        if case.order["busy"] or case.status == "submitted":
            yield f"S12: {case.id} is {case.status}, and in the hands of {case.order['busy'] or 'nobody'}"
        yield from (f"S12: refund {r['id']} of {case.id} was never made" for r in case.refunds if r["state"] == "asked")


def every_payment_belongs_to_an_order(books: Ledgers) -> Iterator[str]:
    """S2 and S4: the provider's own list is what counts."""
    known = {order["id"] for order in books["orders_orders"]}
    for intent in books.intents:
        if intent["order"] not in known and intent["status"] in ("requires_action", "requires_capture", "succeeded"):
            yield f"S4: {intent['net']} was taken for {intent['order']}, of which the store knows nothing"
    entries = Counter((entry["entry"], entry["intent"]) for entry in books.ledger)
    yield from (
        f"S2: {intent} was {entry} {number} times"
        for (entry, intent), number in entries.items() if entry != "refunded" and number > 1
    )


def the_provider_has_what_the_order_costs(books: Ledgers) -> Iterator[str]:
    """S2 and S7."""
    for case in cases(books):
        owed = case.order["total"] - case.order["refunded"] if case.status in SOLD else 0
        if case.net != owed:
            yield f"S2: {case.id} is {case.status} for {owed} in the end, and the provider has {case.net}"
        if len(promises := [i for i in case.intents if i["authorized"]]) > 1:
            yield f"S2: {case.id} was authorized {len(promises)} times"
        if case.status == "cancelled" and (alive := [i for i in case.intents if i["status"] in OPEN]):
            yield f"S7: {case.id} is cancelled, and its payment is {alive[0]['status']}"


OPEN = ("requires_confirmation", "requires_action", "processing", "requires_capture")


def payments_are_what_the_provider_says(books: Ledgers) -> Iterator[str]:
    """S2 and S6: what we know is what the provider knows, whatever webhooks came, and in whatever order."""
    for case in cases(books):
        for intent, payment in zip(case.intents, case.payments, strict=False):
            ours = payment["reference"], payment["status"], payment["captured"], payment["refunded"]
            theirs = intent["id"], intent["status"], intent["captured"], intent["refunded"]
            if ours != theirs and case.status != "stock_confirmed":  # whose news a webhook, or the customer, will bring
                yield f"S6: of {case.id} we know {ours}, and the provider {theirs}"
        given = sum(row["amount"] for row in case.refunds if row["state"] == "done")
        if given != sum(intent["refunded"] for intent in case.intents):
            yield f"S2: {given} was given back for {case.id} by our books, and by the provider's {case.intents}"
        if case.intents and not case.payments:
            yield f"S4: {case.id} has a payment at the provider that we know nothing of"


def stock_is_where_the_order_says(books: Ledgers) -> Iterator[str]:
    """S7."""
    for case in cases(books):
        fitting = REST.get(case.status, ())
        if case.status == "cancelled" and "paid" in case.path:
            fitting = ("returned",)
        if fitting and case.reservation not in fitting:
            yield f"S7: {case.id} went {' -> '.join(case.path)}, and its stock is {case.reservation}"
        if case.held and case.held != {line["sku"]: line["quantity"] for line in case.lines}:
            yield f"S7: {case.id} holds {case.held}, which is not what was ordered"
    known = {order["id"] for order in books["orders_orders"]}
    for row in books["inventory_reservations"]:
        if row["order_id"] not in known and row["state"] in ("held", "secured", "committed"):
            yield f"S7: stock is {row['state']} for {row['order_id']}, of which the store knows nothing"


REST = {
    "paid": ("committed",), "shipped": ("committed",), "stock_confirmed": ("held", "expired"),
    "cancelled": ("released", "expired", "none"),
}
"""What a reservation may be at rest."""


def carts_are_where_orders_say(books: Ledgers) -> Iterator[str]:
    """S10."""
    carts = {row["id"]: row for row in books["carts_carts"]}
    orders = {row["id"]: row for row in books["orders_orders"]}
    for case in cases(books):
        state = carts[case.order["cart"]]["state"], carts[case.order["cart"]]["order_id"]
        if "paid" in case.path and state != ("closed", case.id):
            yield f"S10: {case.id} was paid, and its cart is {state[0]} for {state[1]}"
        if case.status == "stock_confirmed" and state != ("frozen", case.id):
            yield f"S10: {case.id} waits for its customer, and its cart is {state[0]} for {state[1]}"
    for cart in carts.values():
        order = orders.get(cart["order_id"] or "")
        if cart["state"] == "frozen" and (order is None or order["status"] != "stock_confirmed"):
            yield f"S10: cart {cart['id']} is frozen for {cart['order_id']}, which is {order and order['status']}"


def everybody_was_told_once(books: Ledgers) -> Iterator[str]:
    """S6 and S12: what happened, however often it was tried, was published once."""
    for case in cases(books):
        wanted = {
            "OrderPlaced": 1, "OrderPaid": int("paid" in case.path), "OrderShipped": int("shipped" in case.path),
            "OrderCancelled": int("cancelled" in case.path),
        }
        told = {name: case.events[name] for name in wanted}
        if told != wanted:
            yield f"S12: {case.id} went {' -> '.join(case.path)}, and was announced as {told}"


ALWAYS: tuple[Rule, ...] = (
    stock_is_neither_oversold_nor_lost, totals_are_the_sum_of_what_was_ordered, orders_take_one_legal_path,
    a_cart_is_bought_once, money_and_goods_are_where_orders_say, no_more_is_given_back_than_was_taken,
)
AT_REST: tuple[Rule, ...] = (
    everything_has_ended, every_payment_belongs_to_an_order, the_provider_has_what_the_order_costs,
    payments_are_what_the_provider_says, stock_is_where_the_order_says, carts_are_where_orders_say,
    everybody_was_told_once, *HEARD,
)


def violations(books: Ledgers, *, quiet: bool) -> list[str]:
    """What is wrong with what is written down."""
    return [line for rule in (*ALWAYS, *(AT_REST if quiet else ())) for line in rule(books)]


async def audit(running: Running, *, provider: str, quiet: bool = True) -> list[str]:
    """What is wrong. Nothing, it is to be hoped."""
    books = await read(running, provider=provider)
    found = violations(books, quiet=quiet)
    return found + await api_differs(running, books) if quiet else found


async def api_differs(running: Running, books: Ledgers) -> list[str]:
    """Where the store tells an administrator something else than its databases hold, and goes on to do so: what
    webhooks bring may come between two looks."""
    found: list[str] = []
    for look in range(3):
        told = await all_told(running)
        kept = all_kept(books.tables if look == 0 else await read_tables(running))
        found = [
            f"API: of {key} it says {told.get(key)}, and {kept.get(key)} is written"
            for key in sorted(told.keys() | kept.keys()) if told.get(key) != kept.get(key)
        ]
        if not found:
            break
    return found


async def all_told(running: Running) -> Told:
    """Orders, payments and stock, as the API has them."""
    with calling(caller=user("auditor", "admin")):
        orders = await all_orders(running.get(Orders))
        payments = await all_payments(running.get(Payments))
        stock = {f"stock {s.sku}": (s.on_hand, s.reserved) for s in await running.get(Inventory).all_stock()}
    return {**orders, **payments, **stock}


def all_kept(tables: Mapping[str, list[Row]]) -> Told:
    """The same, as it is written."""
    return {
        **{row["id"]: (row["status"], row["total"], row["refunded"]) for row in tables["orders_orders"]},
        **{
            f"payment {row['order_id']}": (row["status"], row["captured"], row["refunded"])
            for row in tables["payments_payments"]
        },
        **{f"stock {row['sku']}": (row["on_hand"], row["reserved"]) for row in tables["inventory_stock"]},
    }


async def all_orders(orders: Orders) -> dict[str, tuple[str, int, int]]:
    """Every order, page by page."""
    found: dict[str, tuple[str, int, int]] = {}
    cursor: str | None = None
    while True:
        page = await orders.all_orders(limit=100, cursor=cursor)
        found |= {o.id: (o.status, o.totals.total.amount, o.refunded.amount) for o in page.items}
        if (cursor := page.next_cursor) is None:
            return found


async def all_payments(payments: Payments) -> dict[str, tuple[str, int, int]]:
    """Every payment, page by page."""
    found: dict[str, tuple[str, int, int]] = {}
    after = ""
    while page := await payments.payments(after=after, limit=100):
        found |= {f"payment {p.order}": (p.status, p.captured.amount, p.refunded.amount) for p in page}
        after = page[-1].order
    return found


__all__ = ["audit", "settled", "unrest"]

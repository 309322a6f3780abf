"""The audit: what must be true of the books when all is quiet. Each rule yields what it finds wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from apps.store.crashtest.books import ENDED, Books, Row, grouped
from apps.store.crashtest.customers import Customer


@dataclass(frozen=True)
class Case:
    """What is audited: the books, what the customers were told, and what stock there was at first."""

    books: Books
    customers: Sequence[Customer]
    initial: dict[str, int]


Rule = Callable[[Case], Iterator[str]]


# ---------------------------------------------------------------------- nothing is left half done


def sagas_have_ended(case: Case) -> Iterator[str]:
    """S12: none runs, is being undone, or waits for a person."""
    for saga in case.books.of("saga"):
        if saga["state"] not in ENDED:
            yield f"{saga['module']}: {saga['id']} ({saga['method']}) is {saga['state']}: {saga['type']}"
    for row in case.books.of("inbox"):
        if row["status"] == "running" and not row["key"].startswith("operator-"):  # who goes away asks no more
            yield f"{row['module']}: {row['key']} ({row['method']}) has no answer"


def orders_are_terminal(case: Case) -> Iterator[str]:
    """S12: paid, shipped or cancelled; waiting for a bank only where the customer has not come back from it."""
    patient = {customer.subject for customer in case.customers if customer.wish.after == "abandon"}
    for order in case.books["orders_orders"]:
        waits = order["status"] == "stock_confirmed" and order["owner"] in patient
        if order["status"] not in ("paid", "shipped", "cancelled") and not waits:
            yield f"{order['id']} of {order['owner']} is {order['status']}"
        if order["busy"]:
            yield f"{order['id']} is still in somebody's hand: {order['busy']}"


def carts_follow_their_orders(case: Case) -> Iterator[str]:
    """S10: a bought cart is closed; one whose order waits is frozen; every other one can be used."""
    orders = {order["id"]: order for order in case.books["orders_orders"]}
    was_paid = case.books.once_paid()
    for cart in case.books["carts_carts"]:
        order = orders.get(cart["order_id"] or "")
        if order is None:
            should = "open"
        else:
            should = "closed" if order["id"] in was_paid else "frozen" if order["status"] != "cancelled" else "open"
        if cart["state"] != should:
            yield f"{cart['id']} is {cart['state']}, and should be {should} (order {order})"


def a_cart_is_bought_once(case: Case) -> Iterator[str]:
    """S5, S10: of all orders of one cart, one at most was ever paid or still waits."""
    for cart, orders in grouped(case.books["orders_orders"], "cart").items():
        live = [order["id"] for order in orders if order["status"] != "cancelled"]
        if len(live) > 1:
            yield f"{cart} was bought more than once: {live}"


# ---------------------------------------------------------------------- money


def the_provider_agrees(case: Case) -> Iterator[str]:
    """S2, S3, S4: what the provider took and gave back is what the orders say; no promise of money is left open."""
    intents = grouped(case.books.intents, "order")
    orders = {order["id"]: order for order in case.books["orders_orders"]}
    for id, found in intents.items():
        if id not in orders:
            yield f"the provider has payments for {id}, which is no order: {found}"
        if len(found) > 1:
            yield f"the provider has {len(found)} payments for {id}: {found}"
    for id, order in orders.items():
        yield from agrees(order, intents.get(id, []), was_paid=id in case.books.once_paid())


def agrees(order: Row, intents: Sequence[Row], *, was_paid: bool) -> Iterator[str]:
    """One order beside the provider's payments for it."""
    net, captures = sum(i["net"] for i in intents), [i for i in intents if i["captured"]]
    due = order["total"] - order["refunded"] if order["status"] in ("paid", "shipped") else 0
    if net != due:
        yield f"{order['id']} ({order['status']}): the customer paid {net}, and should have paid {due}: {intents}"
    if due and [i["captured"] for i in captures] != [order["total"]]:
        yield f"{order['id']}: {order['total']} should have been taken once: {captures}"
    if order["status"] == "cancelled":
        for intent in intents:
            if intent["status"] in ("requires_capture", "requires_action", "processing"):
                yield f"{order['id']} is cancelled, and its payment is open: {intent}"
        if order["refunded"] != (order["total"] if was_paid else 0):
            yield f"{order['id']} is cancelled, {was_paid=}, and {order['refunded']} of {order['total']} was refunded"
    if order["status"] == "stock_confirmed" and captures:
        yield f"{order['id']} waits for its customer, and was charged: {captures}"


def the_ledger_takes_once(case: Case) -> Iterator[str]:
    """S2: no payment was captured twice, and none gave back more than was taken."""
    for intent, entries in grouped(case.books.ledger, "intent").items():
        sums = Counter[str]()
        for entry in entries:
            sums[entry["entry"]] += entry["amount"]
        captures = [entry for entry in entries if entry["entry"] == "captured"]
        if len(captures) > 1 or sums["refunded"] > sums["captured"]:
            yield f"{intent}: {entries}"


def our_payments_are_the_providers(case: Case) -> Iterator[str]:
    """What payments remembers is what the provider has."""
    said = grouped(case.books.intents, "order")
    for ours in case.books["payments_payments"]:
        theirs = said.get(ours["order_id"], [])
        if not theirs and (ours["captured"] or ours["reference"]):
            yield f"the provider does not know {ours}"
        for intent in theirs:
            known = (ours["reference"], ours["status"], ours["captured"], ours["refunded"])
            if known != (intent["id"], intent["status"], intent["captured"], intent["refunded"]):
                yield f"{ours['order_id']}: we know {known}, and the provider {intent}"
    for refund in case.books["payments_refunds"]:
        if refund["state"] == "asked":
            yield f"the refund {refund} was never made"


def customers_paid_what_they_bought(case: Case) -> Iterator[str]:
    """S2: nobody was charged twice: all money taken from a customer is that of the orders that they have."""
    net = Counter[str]()
    for intent in case.books.intents:
        net[intent["order"]] += intent["net"]
    for customer in case.customers:
        paid = [order for order in customer.orders if order["status"] == "paid"]
        due = sum(order["totals"]["total"]["amount"] - order["refunded"]["amount"] for order in paid)
        taken = sum(net[order["id"]] for order in customer.orders)
        if taken != due:
            yield f"{customer.subject} paid {taken} for orders of {due}"


# ---------------------------------------------------------------------- goods


def stock_is_conserved(case: Case) -> Iterator[str]:
    """S1, S8: what there was is what is there and what was sold; what is reserved is what orders hold."""
    state = {row["order_id"]: row["state"] for row in case.books["inventory_reservations"]}
    sold, held, moved = Counter[str](), Counter[str](), Counter[str]()
    for line in case.books["inventory_lines"]:
        sold[line["sku"]] += line["quantity"] if state[line["order_id"]] == "committed" else 0
        held[line["sku"]] += line["quantity"] if state[line["order_id"]] in ("held", "secured") else 0
        moved[line["sku"]] -= line["quantity"] if state[line["order_id"]] in ("committed", "returned") else 0
    for movement in case.books["inventory_movements"]:
        moved[movement["sku"]] += movement["delta"]
    for stock in case.books["inventory_stock"]:
        sku, here, reserved = stock["sku"], stock["on_hand"], stock["reserved"]
        if here + sold[sku] != case.initial[sku] or here != moved[sku]:
            yield f"{sku}: {case.initial[sku]} at first, {here} there, {sold[sku]} sold, {moved[sku]} by its movements"
        if not held[sku] == reserved <= here:
            yield f"{sku}: {reserved} reserved of {here}, and orders hold {held[sku]}"


RESERVATIONS: dict[str, set[str | None]] = {
    "paid": {"committed"}, "shipped": {"committed"}, "stock_confirmed": {"held"},
    "cancelled": {None, "released", "expired", "returned"},
}


def reservations_follow_their_orders(case: Case) -> Iterator[str]:
    """S7: each reservation ended as its order did, and held what the order has."""
    state = {row["order_id"]: row["state"] for row in case.books["inventory_reservations"]}
    held, bought = case.books.by_order("inventory_lines"), case.books.by_order("orders_lines")
    for order in case.books["orders_orders"]:
        id, found = order["id"], state.get(order["id"])
        if found not in RESERVATIONS.get(order["status"], set()):
            yield f"{id} is {order['status']}, and its reservation {found}"
        if id in held and quantities(held[id]) != quantities(bought[id]):
            yield f"{id}: {quantities(held[id])} was reserved, and {quantities(bought[id])} ordered"
    for id in state.keys() - {order["id"] for order in case.books["orders_orders"]}:
        if state[id] not in ("released", "expired"):
            yield f"something is reserved for {id}, which is no order: {state[id]}"


def quantities(lines: Sequence[Row]) -> dict[str, int]:
    """How many of what."""
    return {line["sku"]: line["quantity"] for line in sorted(lines, key=lambda line: str(line["sku"]))}


# ---------------------------------------------------------------------- what was said


def answers_are_true(case: Case) -> Iterator[str]:
    """S5: what a customer was told last is what the books say; what was refused left no order."""
    for customer in case.customers:
        mine = {order["id"]: order for order in customer.orders}
        made = {deed.answer.body["id"] for deed in customer.deeds if deed.what == "checkout" and is_done(deed.answer)}
        for id, order in mine.items():
            if id not in made and order["status"] != "cancelled":
                yield f"{customer.subject} has {id} ({order['status']}), and was never told of it"
        for deed in customer.deeds:
            if deed.answer.status == 202 or (deed.what == "add" and not is_done(deed.answer)):
                yield f"{customer.subject}: {deed.what} was answered {deed.answer}"
            elif deed.what != "add" and is_done(deed.answer):
                yield from is_true(deed.what, deed.answer.body, mine.get(deed.answer.body["id"]))


def is_done(answer: Any) -> bool:
    """Whether it is a result."""
    return answer.status in (200, 201)


def is_true(what: str, told: Row, now: Row | None) -> Iterator[str]:
    """An order as it was told, beside what it is now: later changes only add to it."""
    if now is None:
        yield f"{what} told of {told['id']}, which its customer does not have"
        return
    fixed = ("id", "owner", "cart", "email", "lines", "totals", "placed")
    if [told[name] for name in fixed] != [now[name] for name in fixed]:
        yield f"{what} told {told}, and now it is {now}"
    if told["history"] != now["history"][:len(told["history"])]:
        yield f"{told['id']}: its history was {told['history']}, and is {now['history']}"
    if told["status"] == "cancelled" and now != told:
        yield f"{told['id']} was cancelled as {told}, and is now {now}"


def the_api_says_what_the_books_say(case: Case) -> Iterator[str]:
    """What the customers see is what stands in the database."""
    seen = {order["id"]: order for customer in case.customers for order in customer.orders}
    for row in case.books["orders_orders"]:
        order = seen.pop(row["id"], None)
        if order is None:
            yield f"{row['id']} is in the database, and not at its customer's: {row}"
        elif (order["status"], order["totals"]["total"]["amount"], order["refunded"]["amount"], order["owner"]) != (
            row["status"], row["total"], row["refunded"], row["owner"]
        ):
            yield f"the customer sees {order}, and the database has {row}"
    for id in seen:
        yield f"the customer sees {id}, and the database does not have it"


def events_are_told_once(case: Case) -> Iterator[str]:
    """S6: the stored events are those that the orders' histories call for, each once."""
    stored = Counter((row["type"], row["stream"].partition("=")[2]) for row in case.books.of("outbox"))
    changes = {(row["order_id"], row["status"]) for row in case.books["orders_history"]}
    names = {"submitted": "OrderPlaced", "paid": "OrderPaid", "cancelled": "OrderCancelled"}
    for order in case.books["orders_orders"]:
        for status, name in names.items():
            wanted = int((order["id"], status) in changes)
            if stored[name, order["id"]] != wanted:
                yield f"{order['id']}: {stored[name, order['id']]} {name} were stored, and should be {wanted}"
    for (name, key), count in stored.items():
        if name in ("PaymentCaptured", "PaymentVoided", "PaymentAuthorized") and count > 1:
            yield f"{name} of {key} was stored {count} times"


def takings_are_what_orders_say(case: Case) -> Iterator[str]:
    """Each event is in the daily takings once, as soon as they know of all."""
    books, order = case.books, ("xid", "position")
    stored = [tuple(row[c] for c in order) for row in books["orders_outbox"] if row["place"] is not None]
    known = [tuple(row[c] for c in order) for row in books["orders_projection"] if row["name"] == "takings"]
    if known < [max(stored, default=())]:
        return  # they are brought up to date in a moment
    paid, was_paid = books.by_order("orders_orders"), books.once_paid()
    wanted = (
        len(was_paid), sum(row["total"] for id in was_paid for row in paid[id]),
        sum(row["refunded"] for row in books["orders_orders"]),
    )
    found = tuple(sum(row[c] for row in books["orders_takings"]) for c in ("orders", "taken", "given_back"))
    if found != wanted:
        yield f"(orders, taken, given back) are {wanted}, and the daily takings have {found}"


RULES: tuple[Rule, ...] = (
    sagas_have_ended, orders_are_terminal, carts_follow_their_orders, a_cart_is_bought_once, the_provider_agrees,
    the_ledger_takes_once, our_payments_are_the_providers, customers_paid_what_they_bought, stock_is_conserved,
    reservations_follow_their_orders, answers_are_true, the_api_says_what_the_books_say, events_are_told_once,
    takings_are_what_orders_say,
)


def audit(case: Case) -> list[str]:
    """All that is wrong, each with the rule that found it."""
    return [f"{rule.__name__}: {finding}" for rule in RULES for finding in rule(case)]

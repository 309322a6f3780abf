"""What its events have made of an order."""

from __future__ import annotations

from datetime import datetime
from typing import Any, assert_never

import msgspec

from apps.store.money import Money
from apps.store.orders.contract import Change, Order, Status
from apps.store.orders.events import (
    CheckoutStarted,
    CustomerAwaited,
    CustomerSentAgain,
    OrderCancelled,
    OrderLetGo,
    OrderPaid,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
    OrderTaken,
)
from craton import Value

Later = (
    OrderPlaced | OrderTaken | OrderLetGo | CustomerAwaited | CustomerSentAgain | OrderPaid | OrderShipped
    | OrderCancelled | OrderRefunded
)
OrderEvent = CheckoutStarted | Later
"""All that can be in an order's stream; it begins with CheckoutStarted."""


class Record(Value):
    """An order, and what only this module knows of it: `busy` names the saga that has it in hand, if one has."""

    order: Order
    token: str
    busy: str
    cart_version: int


def evolve(record: Record | None, event: OrderEvent) -> Record:
    """An order after an event."""
    if isinstance(event, CheckoutStarted):
        return started(event)
    assert record is not None, f"the stream of {event.order} does not begin with CheckoutStarted"
    return changed(record, event)


def started(event: CheckoutStarted) -> Record:
    """A new order, in the hands of its checkout."""
    order = Order(
        id=event.order, owner=event.owner, cart=event.cart, email=event.email, address=event.address,
        lines=event.lines, totals=event.totals, status="submitted", placed=event.at,
        history=(Change("submitted", event.at, ""),), refunded=Money(0, event.totals.total.currency),
    )
    return Record(order, event.token, "checkout", event.cart_version)


def changed(record: Record, event: Later) -> Record:  # one line for each thing that can happen reads best in one place
    """An order that something happened to."""
    match event:
        case OrderPlaced():
            return record
        case OrderTaken():
            return held(record, event.by)
        case OrderLetGo():
            return held(record, "")
        case CustomerAwaited():
            note = "waits for the customer's bank"
            return moved(record, "stock_confirmed", event.at, note=note, action_url=event.action_url)
        case CustomerSentAgain():
            return held(record, "", action_url=event.action_url)
        case OrderPaid():
            return moved(record, "paid", event.at, action_url=None)
        case OrderShipped():
            return moved(record, "shipped", event.at, tracking=event.tracking or None)
        case OrderCancelled():
            given = record.order.refunded + event.refunded
            return moved(record, "cancelled", event.at, note=event.reason, refunded=given, action_url=None)
        case OrderRefunded():
            return held(record, "", refunded=record.order.refunded + event.amount)
        case _:
            assert_never(event)


def held(record: Record, by: str, **fields: Any) -> Record:
    """The same order, in other hands or in nobody's."""
    order = msgspec.structs.replace(record.order, **fields)
    return Record(order, record.token, by, record.cart_version)


def moved(record: Record, status: Status, at: datetime, *, note: str = "", **fields: Any) -> Record:
    """An order with another status, in nobody's hand."""
    history = (*record.order.history, Change(status, at, note))
    return held(record, "", status=status, history=history, **fields)

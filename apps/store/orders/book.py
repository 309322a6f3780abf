"""The order book: all orders as rows, which their events keep up to date in the transaction that they happen in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Table, Update, and_, bindparam, insert, or_, select, update

from apps.store.money import Money
from apps.store.orders.contract import Change, Order, Status
from apps.store.orders.events import (
    Address,
    CheckoutStarted,
    CustomerAwaited,
    CustomerSentAgain,
    OrderCancelled,
    OrderLetGo,
    OrderLine,
    OrderPaid,
    OrderRefunded,
    OrderShipped,
    OrderTaken,
    Totals,
)
from apps.store.orders.tables import Tables
from craton import Database

Later = (
    OrderTaken | OrderLetGo | CustomerAwaited | CustomerSentAgain | OrderPaid | OrderShipped | OrderCancelled
    | OrderRefunded
)
Place = tuple[float, str]
"""When an order was placed, and its id: orders are listed by these."""


class Book:
    """A projection of all orders: see craton.Projection."""

    def __init__(self, db: Database, tables: Tables) -> None:
        self.db, self.tables = db, tables
        self.add_order, self.add_line, self.add_change = (insert(table) for table in tables)

    async def apply(self, event: CheckoutStarted | Later, place: int) -> None:
        """Bring the rows of one order up to date."""
        if isinstance(event, CheckoutStarted):
            await self.enter(event, place)
            return
        new = columns_of(event)
        given = {"wanted": event.order, **{f"new_{name}": value for name, value in new.items()}}
        await self.db.execute(changing(self.tables.orders, tuple(new)), given)
        if (change := change_of(event)) is not None:
            await self.note(event.order, place, change)

    async def enter(self, event: CheckoutStarted, place: int) -> None:
        """A new order."""
        await self.db.execute(self.add_order, row_of(event))
        lines = [
            dict(order_id=event.order, position=n, sku=line.sku, name=line.name, quantity=line.quantity,
                 price=line.unit_price.amount)
            for n, line in enumerate(event.lines)
        ]
        await self.db.execute(self.add_line, lines)
        await self.note(event.order, place, Change("submitted", event.at, ""))

    async def note(self, order: str, place: int, change: Change) -> None:
        """An order has come to have another status."""
        row = dict(order_id=order, position=place, status=change.status, at=change.at.timestamp(), note=change.note)
        await self.db.execute(self.add_change, row)

    async def latest(
        self, *, owner: str | None, status: Status | None, before: Place | None, limit: int
    ) -> tuple[Order, ...]:
        """Orders that came before a place in time, the newest first."""
        t = self.tables.orders.c
        statement = select(self.tables.orders).order_by(t.placed.desc(), t.id.desc()).limit(limit)
        if owner is not None:
            statement = statement.where(t.owner == owner)
        if status is not None:
            statement = statement.where(t.status == status)
        if before is not None:
            placed, id = before
            statement = statement.where(or_(t.placed < placed, and_(t.placed == placed, t.id < id)))
        return await self.read((await self.db.execute(statement)).mappings().all())

    async def overdue(self, now: float, *, limit: int) -> tuple[str, ...]:
        """Orders whose customers never came back from their banks."""
        t = self.tables.orders.c
        waiting = select(t.id).where(t.status == "stock_confirmed", t.held_until <= bindparam("now"))
        statement = waiting.order_by(t.held_until, t.id).limit(bindparam("most"))
        return tuple((await self.db.execute(statement, {"now": now, "most": limit})).scalars().all())

    async def read(self, rows: Sequence[Any]) -> tuple[Order, ...]:
        """Rows of orders with their lines and histories."""
        if not rows:
            return ()
        ids = [row["id"] for row in rows]
        lines, history = await self.of(self.tables.lines, ids), await self.of(self.tables.history, ids)
        return tuple(order_of(row, lines[row["id"]], history[row["id"]]) for row in rows)

    async def of(self, table: Any, orders: list[str]) -> dict[str, list[Any]]:
        """The rows of a table that belong to some orders, by order."""
        wanted = table.c.order_id.in_(bindparam("wanted", expanding=True))
        statement = select(table).where(wanted).order_by(table.c.order_id, table.c.position)
        found: dict[str, list[Any]] = {order: [] for order in orders}
        for row in (await self.db.execute(statement, {"wanted": orders})).mappings():
            found[row["order_id"]].append(row)
        return found


@cache
def changing(table: Table, names: tuple[str, ...]) -> Update:
    """The statement that changes some columns of an order; what is given back is added to what was."""
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    if "refunded" in new:
        new["refunded"] = table.c.refunded + new["refunded"]
    return update(table).where(table.c.id == bindparam("wanted")).values(new)


def columns_of(event: Later) -> dict[str, Any]:
    """The columns of an order that an event changes."""
    match event:
        case OrderTaken():
            return dict(busy=event.by)
        case OrderLetGo():
            return dict(busy="")
        case CustomerAwaited():
            return dict(busy="", status="stock_confirmed", action_url=event.action_url)
        case CustomerSentAgain():
            return dict(busy="", action_url=event.action_url)
        case OrderPaid():
            return dict(busy="", status="paid", action_url=None)
        case OrderShipped():
            return dict(busy="", status="shipped", tracking=event.tracking or None)
        case OrderCancelled():
            return dict(busy="", status="cancelled", action_url=None, refunded=event.refunded.amount)
        case OrderRefunded():
            return dict(busy="", refunded=event.amount.amount)


def change_of(event: Later) -> Change | None:
    """The change of an order's status that an event is, if it is one."""
    match event:
        case CustomerAwaited():
            return Change("stock_confirmed", event.at, "waits for the customer's bank")
        case OrderPaid():
            return Change("paid", event.at, "")
        case OrderShipped():
            return Change("shipped", event.at, "")
        case OrderCancelled():
            return Change("cancelled", event.at, event.reason)
        case _:
            return None


def order_of(row: Any, lines: list[Any], history: list[Any]) -> Order:
    """An order as others see it."""
    currency = row["currency"]
    return Order(
        id=row["id"], owner=row["owner"], cart=row["cart"], email=row["email"],
        address=msgspec.json.decode(row["address"], type=Address),
        lines=tuple(OrderLine(r["sku"], r["name"], r["quantity"], Money(r["price"], currency)) for r in lines),
        totals=Totals(*(Money(row[part], currency) for part in ("goods", "shipping", "tax", "total"))),
        status=row["status"],
        history=tuple(Change(r["status"], datetime.fromtimestamp(r["at"], UTC), r["note"]) for r in history),
        placed=datetime.fromtimestamp(row["placed"], UTC), refunded=Money(row["refunded"], currency),
        action_url=row["action_url"], tracking=row["tracking"],
    )


def row_of(event: CheckoutStarted) -> dict[str, Any]:
    """A new order as it is stored."""
    totals = event.totals
    return dict(
        id=event.order, owner=event.owner, cart=event.cart, email=event.email, status="submitted", busy="checkout",
        address=msgspec.json.encode(event.address).decode(), currency=totals.total.currency,
        goods=totals.goods.amount, shipping=totals.shipping.amount, tax=totals.tax.amount, total=totals.total.amount,
        refunded=0, placed=event.at.timestamp(), held_until=event.held_until.timestamp(),
    )

"""Orders as rows: the statements of the orders module."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import and_, bindparam, insert, or_, select, update

from apps.store.money import Money
from apps.store.orders.contract import Change, Order, Status
from apps.store.orders.events import Address, OrderLine, Totals
from apps.store.orders.tables import history, lines, orders
from craton import Database

BY_ID = select(orders).where(orders.c.id == bindparam("wanted"))
LATEST = select(orders).order_by(orders.c.placed.desc(), orders.c.id.desc())
OVERDUE = (
    select(orders.c.id).where(orders.c.status == "stock_confirmed", orders.c.held_until <= bindparam("now"))
    .order_by(orders.c.held_until, orders.c.id).limit(bindparam("most"))
)
LINES = (
    select(lines).where(lines.c.order_id.in_(bindparam("wanted", expanding=True)))
    .order_by(lines.c.order_id, lines.c.position)
)
HISTORY = (
    select(history).where(history.c.order_id.in_(bindparam("wanted", expanding=True)))
    .order_by(history.c.order_id, history.c.position)
)
INSERT, INSERT_LINE, INSERT_CHANGE = insert(orders), insert(lines), insert(history)
CHANGE = update(orders).where(orders.c.id == bindparam("wanted"))


class Record(NamedTuple):
    """An order, and what only this module knows of it."""

    order: Order
    token: str
    busy: str
    cart_version: int


class Records:
    """Reads and writes orders."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def find(self, order: str) -> Record | None:
        """An order by its id."""
        found = await self.read((await self.db.execute(BY_ID, {"wanted": order})).mappings().all())
        return found[0] if found else None

    async def latest(
        self, *, owner: str | None, status: Status | None, before: tuple[float, str] | None, limit: int
    ) -> tuple[Order, ...]:
        """Orders that came before a place in time, the newest first."""
        statement = LATEST.limit(limit)
        if owner is not None:
            statement = statement.where(orders.c.owner == owner)
        if status is not None:
            statement = statement.where(orders.c.status == status)
        if before is not None:
            placed, id = before
            earlier = or_(orders.c.placed < placed, and_(orders.c.placed == placed, orders.c.id < id))
            statement = statement.where(earlier)
        found = await self.read((await self.db.execute(statement)).mappings().all())
        return tuple(record.order for record in found)

    async def overdue(self, now: float, *, limit: int) -> tuple[str, ...]:
        """Orders whose customers never came back from their banks."""
        return tuple((await self.db.execute(OVERDUE, {"now": now, "most": limit})).scalars().all())

    async def read(self, rows: Sequence[Any]) -> list[Record]:
        """Rows of orders with their lines and histories."""
        ids = {"wanted": [row["id"] for row in rows]}
        if not rows:
            return []
        kept, changes = gathered(await self.db.execute(LINES, ids)), gathered(await self.db.execute(HISTORY, ids))
        return [
            Record(order_of(row, kept[row["id"]], changes[row["id"]]), row["token"], row["busy"], row["cart_version"])
            for row in rows
        ]

    async def make(self, record: Record, *, held_until: float) -> None:
        """A new order."""
        await self.db.execute(INSERT, row_of(record) | {"held_until": held_until})
        rows = [
            dict(order_id=record.order.id, position=n, sku=line.sku, name=line.name, quantity=line.quantity,
                 price=line.unit_price.amount)
            for n, line in enumerate(record.order.lines)
        ]
        await self.db.execute(INSERT_LINE, rows)
        await self.note(record.order.id, 0, record.order.history[0])

    async def change(self, before: Record, after: Record) -> Order:
        """Another state of an order."""
        await self.db.execute(CHANGE.values(changing(after)), {"wanted": after.order.id})
        for position, change in enumerate(after.order.history):
            if position >= len(before.order.history):
                await self.note(after.order.id, position, change)
        return after.order

    async def note(self, order: str, position: int, change: Change) -> None:
        """Write a change of status down."""
        row = dict(order_id=order, position=position, status=change.status, at=change.at.timestamp(), note=change.note)
        await self.db.execute(INSERT_CHANGE, row)


def gathered(rows: Any) -> dict[str, list[Any]]:
    """Rows by their order."""
    found: dict[str, list[Any]] = {}
    for row in rows.mappings():
        found.setdefault(row["order_id"], []).append(row)
    return found


def order_of(row: Any, kept: list[Any], changes: list[Any]) -> Order:
    """An order as others see it."""
    currency = row["currency"]
    return Order(
        id=row["id"], owner=row["owner"], cart=row["cart"], email=row["email"],
        address=msgspec.json.decode(row["address"], type=Address),
        lines=tuple(OrderLine(r["sku"], r["name"], r["quantity"], Money(r["price"], currency)) for r in kept),
        totals=Totals(*(Money(row[part], currency) for part in ("goods", "shipping", "tax", "total"))),
        status=row["status"],
        history=tuple(Change(r["status"], datetime.fromtimestamp(r["at"], UTC), r["note"]) for r in changes),
        placed=datetime.fromtimestamp(row["placed"], UTC), refunded=Money(row["refunded"], currency),
        action_url=row["action_url"], tracking=row["tracking"],
    )


def changing(record: Record) -> dict[str, Any]:
    """The columns of an order that may change."""
    order = record.order
    return dict(
        status=order.status, busy=record.busy, refunded=order.refunded.amount, action_url=order.action_url,
        tracking=order.tracking,
    )


def row_of(record: Record) -> dict[str, Any]:
    """A new order as it is stored."""
    order = record.order
    return changing(record) | dict(
        id=order.id, owner=order.owner, cart=order.cart, cart_version=record.cart_version, email=order.email,
        address=msgspec.json.encode(order.address).decode(), token=record.token, currency=order.totals.total.currency,
        goods=order.totals.goods.amount, shipping=order.totals.shipping.amount, tax=order.totals.tax.amount,
        total=order.totals.total.amount, placed=order.placed.timestamp(),
    )

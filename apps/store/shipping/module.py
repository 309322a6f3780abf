"""Dock: knows what it costs to send goods, and what is to be sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, insert, or_, select, update

from apps.store.moments import read_cursor, write_cursor
from apps.store.money import Money
from apps.store.orders.events import Address, Country, OrderCancelled, OrderLine, OrderPaid, OrderShipped
from apps.store.shipping.contract import Limit, Offer, Shipment, ShipmentNotFound, ShipmentPage, Shipping, State
from apps.store.shipping.rates import offer, read_rates
from apps.store.shipping.settings import ShippingSettings
from apps.store.shipping.tables import shipments
from craton import Call, Database

s = shipments.c
ONE = select(shipments).where(s.order_id == bindparam("wanted"))
IN_STATE = select(shipments).where(s.state == bindparam("wanted")).order_by(s.paid, s.order_id)
AFTER = IN_STATE.where(or_(s.paid > bindparam("at"), and_(s.paid == bindparam("at"), s.order_id > bindparam("id"))))
INSERT = insert(shipments)
CHANGE = (
    update(shipments).where(s.order_id == bindparam("wanted"), s.state == "waiting")
    .values(state=bindparam("to"), tracking=bindparam("by"))
)


class Dock(Shipping):
    """Shipments in the database: made when an order is paid, sent or stopped when orders say so."""

    def __init__(self, db: Database, call: Call, settings: ShippingSettings) -> None:
        self.db, self.call = db, call
        self.rates = read_rates(settings.rates)

    async def quote(self, country: Country, goods: Money) -> Offer:
        return offer(self.rates, country, goods)

    async def shipment(self, order: str) -> Shipment:
        row = (await self.db.execute(ONE, {"wanted": order})).mappings().first()
        caller = self.call.caller
        if row is None or (row["owner"] != caller.subject and "admin" not in caller.roles):
            raise ShipmentNotFound(order)
        return shipment_of(row)

    async def shipments(self, state: State = "waiting", limit: Limit = 50, cursor: str | None = None) -> ShipmentPage:
        place = read_cursor(cursor)._asdict() if cursor else {}
        found = await self.db.execute((AFTER if cursor else IN_STATE).limit(limit + 1), {"wanted": state, **place})
        items = tuple(shipment_of(row) for row in found.mappings())
        end = items[limit - 1] if len(items) > limit else None
        return ShipmentPage(items[:limit], write_cursor(end.paid, end.order) if end else None)

    async def prepare(self, event: OrderPaid) -> None:
        await self.db.execute(INSERT, row_of(event))

    async def note_sent(self, event: OrderShipped) -> None:
        await self.end(event.order, "sent", tracking=event.tracking or None)

    async def stop(self, event: OrderCancelled) -> None:
        await self.end(event.order, "stopped")  # of an order that was never paid there is none

    async def end(self, order: str, state: State, *, tracking: str | None = None) -> None:
        """A shipment that waits no longer."""
        await self.db.execute(CHANGE, {"wanted": order, "to": state, "by": tracking})


def row_of(paid: OrderPaid) -> dict[str, Any]:
    """A new shipment as it is stored."""
    return dict(
        order_id=paid.order, owner=paid.owner, address=msgspec.json.encode(paid.address).decode(),
        lines=msgspec.json.encode(paid.lines).decode(), state="waiting", paid=paid.at.timestamp(), tracking=None,
    )


def shipment_of(row: Any) -> Shipment:
    """A shipment as others see it."""
    return Shipment(
        row["order_id"], row["owner"], msgspec.json.decode(row["address"], type=Address),
        msgspec.json.decode(row["lines"], type=tuple[OrderLine, ...]), row["state"],
        datetime.fromtimestamp(row["paid"], UTC), row["tracking"],
    )

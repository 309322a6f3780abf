"""Warehouse: counts stock, and holds it for orders."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import bindparam, false, insert, select, update

from apps.store.catalog.contract import ProductDiscontinued
from apps.store.inventory.contract import (
    Delta,
    InsufficientStock,
    Inventory,
    Level,
    Line,
    Quantity,
    Reservation,
    ReservationEnded,
    ReservationExpired,
    ReservationNotFound,
    Shortage,
    State,
    Stock,
    StockBack,
    StockLow,
    StockOut,
    UnknownSku,
)
from apps.store.inventory.settings import InventorySettings
from apps.store.inventory.tables import lines, movements, reservations, stock
from craton import Clock, Database, Events, Ids

STOCK = select(stock).where(stock.c.sku.in_(bindparam("wanted", expanding=True)))
ALL_STOCK = select(stock).order_by(stock.c.sku)
LOW_STOCK = ALL_STOCK.where(
    stock.c.on_hand - stock.c.reserved <= bindparam("low"), stock.c.discontinued == false()
)
NEW_STOCK = insert(stock)
OF_ORDER = lines.c.order_id == bindparam("wanted")
CHANGE_STOCK = (
    update(stock).where(stock.c.sku == bindparam("wanted")).values(on_hand=stock.c.on_hand + bindparam("more"))
)
HELD = select(lines.c.quantity).where(OF_ORDER, lines.c.sku == stock.c.sku).correlate(stock).scalar_subquery()
CHANGE_HELD = (
    update(stock).where(stock.c.sku.in_(select(lines.c.sku).where(OF_ORDER)))
    .values(on_hand=stock.c.on_hand + HELD * bindparam("here"), reserved=stock.c.reserved + HELD * bindparam("held"))
)
WITHDRAW = update(stock).where(stock.c.sku == bindparam("wanted")).values(discontinued=True)
RESERVATION = select(reservations).where(reservations.c.order_id == bindparam("wanted"))
LINES = select(lines).where(OF_ORDER).order_by(lines.c.sku)
OVERDUE = (
    select(reservations.c.order_id)
    .where(reservations.c.state == "held", reservations.c.expires <= bindparam("now"))
    .order_by(reservations.c.order_id)
)
NEW_RESERVATION, NEW_LINE, MOVE = insert(reservations), insert(lines), insert(movements)
CHANGE_STATE = update(reservations).where(reservations.c.order_id == bindparam("wanted")).values(state=bindparam("to"))


class Warehouse(Inventory):
    """Stock in the database."""

    def __init__(self, db: Database, events: Events, clock: Clock, ids: Ids, settings: InventorySettings) -> None:
        self.db, self.events, self.clock, self.ids, self.settings = db, events, clock, ids, settings

    async def stock(self, sku: str) -> Stock:
        found = await self.counts([sku])
        if sku not in found:
            raise UnknownSku(sku)
        return found[sku]

    async def availability(self, skus: tuple[str, ...]) -> tuple[Stock, ...]:
        found = await self.counts(skus) if skus else {}
        return tuple(found[sku] for sku in skus if sku in found)

    async def all_stock(self) -> tuple[Stock, ...]:
        return tuple(stock_of(row) for row in (await self.db.execute(ALL_STOCK)).mappings())

    async def low_stock(self) -> tuple[Stock, ...]:
        rows = await self.db.execute(LOW_STOCK, {"low": self.settings.low})
        return tuple(stock_of(row) for row in rows.mappings())

    async def reservation(self, order: str) -> Reservation:
        found = await self.find(order)
        if found is None:
            raise ReservationNotFound(order)
        return found

    async def reserve(self, order: str, lines: tuple[Line, ...], hold: int = 900) -> Reservation:
        found = await self.find(order)
        if found is not None and found.state in ("held", "secured"):
            return found
        if found is not None:
            raise ReservationEnded(order, found.state)
        wanted = summed(lines)
        left = await self.enough(wanted)
        made = Reservation(order, wanted, "held", self.at(self.now() + hold))
        await self.db.execute(NEW_RESERVATION, dict(order_id=order, state="held", expires=self.now() + hold))
        await self.db.execute(NEW_LINE, [dict(order_id=order, sku=line.sku, quantity=line.quantity) for line in wanted])
        await self.change_held(order, here=0, held=1)
        for line in wanted:
            await self.mention(left[line.sku], -line.quantity)
        return made

    async def secure(self, order: str) -> None:
        found = await self.live(order, and_also=("secured", "committed"))
        if found.state == "held":
            await self.move_on(order, "secured")

    async def commit(self, order: str) -> None:
        found = await self.live(order, and_also=("secured", "committed"))
        if found.state != "committed":
            await self.change_held(order, here=-1, held=-1)
            await self.move_on(order, "committed")

    async def release(self, order: str) -> None:
        found = await self.find(order)
        if found is None:
            await self.db.execute(NEW_RESERVATION, dict(order_id=order, state="released", expires=self.now()))
        elif found.state in ("held", "secured"):
            await self.free(found, "released")

    async def take_back(self, order: str) -> None:
        found = await self.find(order)
        if found is None:
            raise ReservationNotFound(order)
        if found.state not in ("committed", "returned"):
            raise ReservationEnded(order, found.state)
        if found.state == "committed":
            await self.gain(found, here=1, held=0)
            await self.write_down(((line.sku, line.quantity) for line in found.lines), f"returned by {order}")
            await self.move_on(order, "returned")

    async def expire(self) -> int:
        return await self.end_overdue()

    async def adjust(self, sku: str, delta: Delta, reason: str = "") -> Stock:
        now = (await self.counts([sku])).get(sku)
        if now is None:
            raise UnknownSku(sku)
        if now.on_hand + delta < now.reserved:
            raise InsufficientStock((Shortage(sku, -delta, now.on_hand - now.reserved),))
        await self.db.execute(CHANGE_STOCK, {"wanted": sku, "more": delta})
        await self.write_down([(sku, delta)], reason or "adjusted")
        return await self.mention(now, delta, here=delta)

    async def restock(self, sku: str, quantity: Quantity) -> Stock:
        now = (await self.counts([sku])).get(sku) or await self.make(sku)
        await self.db.execute(CHANGE_STOCK, {"wanted": sku, "more": quantity})
        await self.write_down([(sku, quantity)], "restocked")
        return await self.mention(now, quantity, here=quantity)

    async def import_stock(self, levels: tuple[Level, ...]) -> int:
        wanted = {level.sku: level.on_hand for level in levels}
        new = sorted(wanted.keys() - (await self.counts(wanted)).keys() if wanted else ())
        if new:
            await self.db.execute(NEW_STOCK, [dict(sku=sku, on_hand=wanted[sku], reserved=0) for sku in new])
            await self.write_down(((sku, wanted[sku]) for sku in new), "imported")
        return len(new)

    async def withdraw(self, event: ProductDiscontinued) -> None:
        if not await self.counts([event.sku]):
            await self.make(event.sku)
        await self.db.execute(WITHDRAW, {"wanted": event.sku})

    async def make(self, sku: str) -> Stock:
        """Know a product of which there is nothing yet."""
        await self.db.execute(NEW_STOCK, dict(sku=sku, on_hand=0, reserved=0))
        return Stock(sku, 0, 0, 0)

    async def counts(self, skus: Iterable[str]) -> dict[str, Stock]:
        """The stock of products, by sku."""
        rows = await self.db.execute(STOCK, {"wanted": sorted(set(skus))})
        return {row["sku"]: stock_of(row) for row in rows.mappings()}

    async def enough(self, wanted: tuple[Line, ...]) -> dict[str, Stock]:
        """The stock of all that is wanted. Holds whose time has passed make room where there is too little."""
        found = await self.counts(line.sku for line in wanted)
        for line in wanted:
            if line.sku not in found:
                raise UnknownSku(line.sku)
        if short(wanted, found) and await self.end_overdue():
            found = await self.counts(line.sku for line in wanted)
        if lacking := short(wanted, found):
            raise InsufficientStock(lacking)
        return found

    async def end_overdue(self) -> int:
        """End every hold whose time has passed."""
        overdue = (await self.db.execute(OVERDUE, {"now": self.now()})).scalars().all()
        for order in overdue:
            held = await self.reservation(order)
            await self.free(held, "expired")
            await self.events.publish(ReservationExpired(order))
        return len(overdue)

    async def find(self, order: str) -> Reservation | None:
        """An order's reservation, if there is one."""
        row = (await self.db.execute(RESERVATION, {"wanted": order})).mappings().first()
        if row is None:
            return None
        rows = (await self.db.execute(LINES, {"wanted": order})).mappings()
        held = tuple(Line(r["sku"], r["quantity"]) for r in rows)
        return Reservation(order, held, row["state"], self.at(row["expires"]))

    async def live(self, order: str, *, and_also: tuple[State, ...]) -> Reservation:
        """An order's reservation that is held, or in one of these states."""
        found = await self.find(order)
        if found is None:
            raise ReservationNotFound(order)
        if found.state not in ("held", *and_also):
            raise ReservationEnded(order, found.state)
        return found

    async def free(self, held: Reservation, state: State) -> None:
        """Nothing is held for this order any more."""
        await self.gain(held, here=0, held=-1)
        await self.move_on(held.order, state)

    async def gain(self, of: Reservation, *, here: int, held: int) -> None:
        """So many times what a reservation holds more on hand, and reserved, so that more is left to sell."""
        before = await self.counts(line.sku for line in of.lines) if of.lines else {}
        await self.change_held(of.order, here=here, held=held)
        for line in of.lines:
            await self.mention(before[line.sku], line.quantity)

    async def change_held(self, order: str, *, here: int, held: int) -> None:
        """So many times what an order's reservation holds more on hand, and reserved."""
        await self.db.execute(CHANGE_HELD, {"wanted": order, "here": here, "held": held})

    async def move_on(self, order: str, state: State) -> None:
        """Give a reservation its next state."""
        await self.db.execute(CHANGE_STATE, {"wanted": order, "to": state})

    async def write_down(self, moved: Iterable[tuple[str, int]], reason: str) -> None:
        """Note what came and went other than by being sold."""
        at = self.now()
        rows = [dict(id=self.ids.new("movement"), sku=s, delta=d, reason=reason, at=at) for s, d in moved]
        await self.db.execute(MOVE, rows)

    async def mention(self, before: Stock, delta: int, *, here: int = 0) -> Stock:
        """What there is when so much more, or less, is left to sell, and `here` more on hand. Tell others when little
        is left that was enough before, when nothing is left, and when something is again."""
        if before.discontinued:
            return msgspec.structs.replace(before, on_hand=before.on_hand + here)
        left = before.available + delta
        if left <= self.settings.low < before.available:
            await self.events.publish(StockLow(before.sku, left))
        if left == 0 < before.available:
            await self.events.publish(StockOut(before.sku))
        if before.available == 0 < left:
            await self.events.publish(StockBack(before.sku, left))
        return msgspec.structs.replace(before, on_hand=before.on_hand + here, available=left)

    def now(self) -> float:
        """Seconds since 1970."""
        return self.clock.now().timestamp()

    def at(self, seconds: float) -> datetime:
        """A stored time as others see it."""
        return datetime.fromtimestamp(seconds, UTC)


def stock_of(row: Any) -> Stock:
    """The stock of one product as others see it."""
    left = 0 if row["discontinued"] else row["on_hand"] - row["reserved"]
    return Stock(row["sku"], row["on_hand"], row["reserved"], left, bool(row["discontinued"]))


def summed(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """One line for each sku, by sku."""
    wanted: dict[str, int] = {}
    for line in lines:
        wanted[line.sku] = wanted.get(line.sku, 0) + line.quantity
    return tuple(Line(sku, quantity) for sku, quantity in sorted(wanted.items()))


def short(wanted: tuple[Line, ...], found: dict[str, Stock]) -> tuple[Shortage, ...]:
    """What there is too little of."""
    return tuple(
        Shortage(line.sku, line.quantity, found[line.sku].available)
        for line in wanted if line.quantity > found[line.sku].available
    )

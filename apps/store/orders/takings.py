"""What was taken and given back, day by day: one row that all orders of a day change, so not in their transactions."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import Table, bindparam, insert, select, update

from apps.store.money import Money
from apps.store.orders.contract import Takings
from apps.store.orders.events import OrderCancelled, OrderPaid, OrderRefunded
from craton import Database


class TakingsByDay:
    """A projection of money: see craton.Projection. A day is one of UTC."""

    def __init__(self, db: Database, table: Table) -> None:
        self.db, self.tables = db, (table,)
        t = table.c
        here = t.day == bindparam("of_day"), t.currency == bindparam("of_currency")
        self.add = update(table).where(*here).values(
            orders=t.orders + bindparam("more"), taken=t.taken + bindparam("paid"),
            given_back=t.given_back + bindparam("back"),
        )
        self.begin, self.latest = insert(table), select(table).order_by(t.day.desc(), t.currency)

    async def apply(self, event: OrderPaid | OrderCancelled | OrderRefunded, place: int) -> None:
        """Count what was taken or given back."""
        match event:
            case OrderPaid():
                await self.count(event.at, event.total.currency, orders=1, taken=event.total.amount)
            case OrderCancelled():
                await self.count(event.at, event.refunded.currency, given_back=event.refunded.amount)
            case OrderRefunded():
                await self.count(event.at, event.amount.currency, given_back=event.amount.amount)

    async def count(
        self, at: datetime, currency: str, *, orders: int = 0, taken: int = 0, given_back: int = 0
    ) -> None:
        """Add to a day."""
        day = at.astimezone(UTC).date().isoformat()
        more = dict(of_day=day, of_currency=currency, more=orders, paid=taken, back=given_back)
        if not (await self.db.execute(self.add, more)).rowcount:
            row = dict(day=day, currency=currency, orders=orders, taken=taken, given_back=given_back)
            await self.db.execute(self.begin, row)

    async def days(self, limit: int) -> tuple[Takings, ...]:
        """The latest days on which there was something."""
        return tuple(
            Takings(
                date.fromisoformat(row.day), row.orders, Money(row.taken, row.currency),
                Money(row.given_back, row.currency),
            )
            for row in await self.db.execute(self.latest.limit(limit))
        )

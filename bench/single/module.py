"""How it is done on Craton."""

from __future__ import annotations

from sqlalchemy import bindparam, insert, select

from bench.single.contract import NoSale, Sale, Sales
from bench.single.tables import sales
from craton import Database

FIND = select(sales.c.customer, sales.c.total).where(sales.c.id == bindparam("wanted"))
ADD = insert(sales)


class Desk(Sales):
    """Sales in a table."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def sale(self, order: str) -> Sale:
        """One row."""
        row = (await self.db.execute(FIND, {"wanted": order})).one_or_none()
        if row is None:
            raise NoSale(order)
        return Sale(*row)

    async def sell(self, order: str, customer: str, total: int) -> None:
        """One row more."""
        await self.db.execute(ADD, {"id": order, "customer": customer, "total": total})

"""The tables of the measured application. Each peer writes the same rows to tables of the same shape."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, delete, insert, select, update

STORED = 1000
"""Orders that are there before the first read."""
CUSTOMER, TOTAL = "user:1", 1999
BODY = '{"items": [' + ", ".join(['"SKU-000001"'] * 10) + "]}"


def table(name: str) -> Table:
    """One table, alone in its metadata."""
    return Table(
        name, MetaData(),
        Column("id", String, primary_key=True),
        Column("customer", String, nullable=False),
        Column("total", Integer, nullable=False),
        Column("body", String, nullable=False),
    )


orders = table("orders_sale")
stock = table("stock_hold")
payments = table("payments_charge")
packing, delivery = table("packing_parcel"), table("delivery_tour")
audience = table("audience_heard")
orders_metadata, stock_metadata, payments_metadata = orders.metadata, stock.metadata, payments.metadata
packing_metadata, delivery_metadata, audience_metadata = packing.metadata, delivery.metadata, audience.metadata


class Statements:
    """The statements on one table, made once."""

    def __init__(self, table: Table) -> None:
        self.insert = insert(table)
        self.select = select(table.c.customer, table.c.total).where(table.c.id == bindparam("wanted"))
        self.update = update(table).where(table.c.id == bindparam("wanted")).values(total=bindparam("total"))
        self.delete = delete(table).where(table.c.id == bindparam("wanted"))


def row(order: str) -> dict[str, Any]:
    """One order's row, in each of the tables."""
    return {"id": order, "customer": CUSTOMER, "total": TOTAL, "body": BODY}


def stored() -> list[dict[str, Any]]:
    """The orders that are there before the first read."""
    return [row(f"stored-{number}") for number in range(STORED)]

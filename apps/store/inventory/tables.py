"""The tables of the inventory module. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Float, Index, Integer, MetaData, String, Table, false

metadata = MetaData()

stock = Table(
    "inventory_stock", metadata,
    Column("sku", String, primary_key=True),
    Column("on_hand", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),  # the sum of what held and secured reservations hold
    Column("discontinued", Boolean, nullable=False, server_default=false()),
    CheckConstraint("0 <= reserved AND reserved <= on_hand", name="inventory_stock_sold_once"),
)
reservations = Table(
    "inventory_reservations", metadata,
    Column("order_id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("expires", Float, nullable=False),
    Index("inventory_reservations_expires", "state", "expires"),
)
lines = Table(
    "inventory_lines", metadata,
    Column("order_id", String, primary_key=True),
    Column("sku", String, primary_key=True),
    Column("quantity", Integer, nullable=False),
)
movements = Table(
    "inventory_movements", metadata,
    Column("id", String, primary_key=True),
    Column("sku", String, nullable=False),
    Column("delta", Integer, nullable=False),  # all of a sku's sum up to what is there and what was sold
    Column("reason", String, nullable=False),
    Column("at", Float, nullable=False),
)

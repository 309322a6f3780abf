"""The tables of the orders module. Times are seconds since 1970; amounts are in minor units of the order's currency."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table

metadata = MetaData()

orders = Table(
    "orders_orders", metadata,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("cart", String, nullable=False),
    Column("cart_version", Integer, nullable=False),
    Column("email", String, nullable=False),
    Column("address", String, nullable=False),  # JSON
    Column("token", String, nullable=False),  # the provider's name for the card
    Column("currency", String(3), nullable=False),
    Column("goods", BigInteger, nullable=False),
    Column("shipping", BigInteger, nullable=False),
    Column("tax", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("refunded", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("busy", String, nullable=False),  # the saga that has the order in hand; empty where none has
    Column("action_url", String),
    Column("tracking", String),
    Column("placed", Float, nullable=False),
    Column("held_until", Float, nullable=False),
    Index("orders_orders_owner", "owner", "placed"),
    Index("orders_orders_placed", "placed"),
    Index("orders_orders_waiting", "status", "held_until"),
)
lines = Table(
    "orders_lines", metadata,
    Column("order_id", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sku", String, nullable=False),
    Column("name", String, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price", BigInteger, nullable=False),
)
history = Table(
    "orders_history", metadata,
    Column("order_id", String, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("status", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("note", String, nullable=False),
)

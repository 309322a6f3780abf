"""The tables of the shipping module. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, MetaData, String, Table

metadata = MetaData()

shipments = Table(
    "shipping_shipments", metadata,
    Column("order_id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("address", String, nullable=False),  # JSON
    Column("lines", String, nullable=False),  # JSON
    Column("state", String, nullable=False),
    Column("paid", Float, nullable=False),
    Column("tracking", String),
    Index("shipping_shipments_state", "state", "paid", "order_id"),
)

"""Its table."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table

metadata = MetaData()
sales = Table(
    "sales_sale", metadata,
    Column("id", String, primary_key=True),
    Column("customer", String, nullable=False),
    Column("total", Integer, nullable=False),
)

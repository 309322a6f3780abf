"""The tables of the payments module. Amounts are in minor units of the payment's currency."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table

metadata = MetaData()

payments = Table(
    "payments_payments", metadata,
    Column("order_id", String, primary_key=True),
    Column("reference", String, nullable=False),  # the provider's name for it; empty before it has one
    Column("status", String, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("captured", BigInteger, nullable=False),
    Column("refunded", BigInteger, nullable=False),
    Column("action_url", String),
    Column("decline_code", String),
)
refunds = Table(
    "payments_refunds", metadata,
    Column("id", String, primary_key=True),
    Column("order_id", String, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("reference", String, nullable=False),
    Column("state", String, nullable=False),  # asked, done, refused
    Index("payments_refunds_order", "order_id"),
)
notices = Table(
    "payments_notices", metadata,
    Column("id", String, primary_key=True),  # the provider's name for what it told us
)

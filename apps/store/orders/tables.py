"""The tables of the read models, twice: each can be built anew in its second set while the first is in use.

Times are seconds since 1970; amounts are in minor units of the order's currency.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table

metadata = MetaData()


class Tables(NamedTuple):
    """The order book's tables."""

    orders: Table
    lines: Table
    history: Table


def orders_of(name: str) -> Table:
    """`busy`: the saga that has the order in hand; empty where none has. `address`: JSON."""
    return Table(
        name, metadata,
        Column("id", String, primary_key=True),
        Column("owner", String, nullable=False),
        Column("cart", String, nullable=False),
        Column("email", String, nullable=False),
        Column("address", String, nullable=False),
        Column("currency", String(3), nullable=False),
        Column("goods", BigInteger, nullable=False),
        Column("shipping", BigInteger, nullable=False),
        Column("tax", BigInteger, nullable=False),
        Column("total", BigInteger, nullable=False),
        Column("refunded", BigInteger, nullable=False),
        Column("status", String, nullable=False),
        Column("busy", String, nullable=False),
        Column("action_url", String),
        Column("tracking", String),
        Column("placed", Float, nullable=False),
        Column("held_until", Float, nullable=False),
        Index(f"{name}_owner", "owner", "placed"),
        Index(f"{name}_placed", "placed"),
        Index(f"{name}_waiting", "status", "held_until"),
    )


def lines_of(name: str) -> Table:
    """What was ordered."""
    return Table(
        name, metadata,
        Column("order_id", String, primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("sku", String, nullable=False),
        Column("name", String, nullable=False),
        Column("quantity", Integer, nullable=False),
        Column("price", BigInteger, nullable=False),
    )


def history_of(name: str) -> Table:
    """When an order came to have a status. `position`: the place of the event in the order's stream."""
    return Table(
        name, metadata,
        Column("order_id", String, primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("status", String, nullable=False),
        Column("at", Float, nullable=False),
        Column("note", String, nullable=False),
    )


def takings_of(name: str) -> Table:
    """Money by day, such as "2026-11-22"."""
    return Table(
        name, metadata,
        Column("day", String, primary_key=True),
        Column("currency", String(3), primary_key=True),
        Column("orders", Integer, nullable=False),
        Column("taken", BigInteger, nullable=False),
        Column("given_back", BigInteger, nullable=False),
    )


BOOK = Tables(orders_of("orders_orders"), lines_of("orders_lines"), history_of("orders_history"))
BESIDE = Tables(orders_of("orders_new_orders"), lines_of("orders_new_lines"), history_of("orders_new_history"))
TAKINGS, TAKINGS_BESIDE = takings_of("orders_takings"), takings_of("orders_new_takings")

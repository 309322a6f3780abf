"""The tables that a team adds by hand to those of the store's modules."""

from __future__ import annotations

from sqlalchemy import Column, Float, MetaData, String, Table

own = MetaData()
keys = Table(  # what makes a checkout happen once
    "orders_keys", own,
    Column("key", String, primary_key=True),
    Column("order_id", String, nullable=False),
)
outbox = Table(  # what services must be told of an order; rows go once all have been
    "orders_outbox", own,
    Column("order_id", String, primary_key=True),
    Column("body", String, nullable=False),
    Column("written", Float, nullable=False),
)
heard = Table(  # the orders that recommendations have learned from, where they are told of them by a service
    "recommendations_heard", own,
    Column("order_id", String, primary_key=True),
)

"""The tables of the notifications module. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, MetaData, String, Table

metadata = MetaData()

messages = Table(
    "notifications_messages", metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("about", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("written", Float, nullable=False),
    Index("notifications_messages_written", "written", "id"),
    Index("notifications_messages_about", "about"),
)

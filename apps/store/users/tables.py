"""The tables of the users module. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Column, Float, MetaData, String, Table

metadata = MetaData()

accounts = Table(
    "users_accounts", metadata,
    Column("id", String, primary_key=True),
    Column("email", String, nullable=False, unique=True),  # in small letters
    Column("name", String, nullable=False),
    Column("password", String, nullable=False),  # as passwords.py writes it
    Column("created", Float, nullable=False),
)

"""The tables of the users module. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, MetaData, String, Table

metadata = MetaData()

accounts = Table(
    "users_accounts", metadata,
    Column("id", String, primary_key=True),
    Column("email", String, nullable=False, unique=True),  # in small letters
    Column("name", String, nullable=False),
    Column("password", String, nullable=False),  # as passwords.py writes it
    Column("created", Float, nullable=False),
)

sessions = Table(
    "users_sessions", metadata,
    Column("id", String, primary_key=True),
    Column("subject", String, nullable=False, index=True),
    Column("roles", String, nullable=False),  # with spaces between them
    Column("salt", String, nullable=False),  # what the next refresh token is made with, from the one before it
    Column("token", String, nullable=False),  # the hash of the one that is good
    Column("before", String, nullable=False),  # the hash of the one before it
    Column("renewed", Float, nullable=False),
    Column("expires", Float, nullable=False, index=True),
    Column("ended", Float),
)

failures = Table(
    "users_failures", metadata,
    Column("email", String, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("until", Float, nullable=False),  # when the next try may be made
)

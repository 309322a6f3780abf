"""The tables of the uploads module. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Integer, MetaData, String, Table

metadata = MetaData()

uploads = Table(
    "uploads_uploads", metadata,
    Column("id", String, primary_key=True),
    Column("video", String, nullable=False, unique=True),
    Column("owner", String, nullable=False, index=True),
    Column("filename", String, nullable=False),
    Column("title", String, nullable=False),
    Column("privacy", String, nullable=False),
    Column("media_type", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),  # bytes, from the first without a gap
    Column("pieces", Integer, nullable=False),
    Column("sha256", String),  # what its sender said that they hash to
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("job", String, nullable=False, index=True),  # that joins its parts
    Column("source", String, nullable=False),  # where the whole file is
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False, index=True),
)

parts = Table(
    "uploads_parts", metadata,
    Column("upload", String, primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("path", String, nullable=False),
    Column("size", BigInteger, nullable=False),
)

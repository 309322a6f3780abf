"""The framework's own tables: inbox, outbox, saga and journal, one set per module, beside the module's tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)


@dataclass(frozen=True, slots=True)
class ModuleTables:
    """`inbox`: calls already answered, by key. `outbox`: events. `saga`, `journal`: sagas and their steps."""

    metadata: MetaData
    inbox: Table
    outbox: Table
    sequence: Table
    saga: Table
    journal: Table


@cache
def tables_of(module: str) -> ModuleTables:
    """The tables of one module, named `<module>_inbox` and so on. Times are seconds since 1970, by the database."""
    metadata = MetaData()
    return ModuleTables(
        metadata, inbox_of(module, metadata), outbox_of(module, metadata), sequence_of(module, metadata),
        saga_of(module, metadata), journal_of(module, metadata),
    )


def inbox_of(module: str, metadata: MetaData) -> Table:
    """`status`: running (effects, sagas), done, fault, failed (sagas), tombstone."""
    return Table(
        f"{module}_inbox", metadata,
        Column("key", String, primary_key=True),
        Column("method", String, nullable=False),
        Column("fingerprint", String, nullable=False),
        Column("status", String, nullable=False),
        Column("answer", LargeBinary),
        Column("type", String),
        Column("arguments", LargeBinary),
        Column("owner", String),
        Column("lease_until", Float),
        Column("created", Float, nullable=False),
    )


def outbox_of(module: str, metadata: MetaData) -> Table:
    """`sequence` orders the events of one type and key. `status`: stored."""
    return Table(
        f"{module}_outbox", metadata,
        Column("id", String, primary_key=True),
        Column("type", String, nullable=False),
        Column("version", Integer, nullable=False),
        Column("key", String, nullable=False),
        Column("sequence", BigInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("trace", String, nullable=False),
        Column("status", String, nullable=False),
        Column("created", Float, nullable=False),
        UniqueConstraint("type", "key", "sequence"),
    )


def sequence_of(module: str, metadata: MetaData) -> Table:
    """The latest `sequence` of each type and key of events: a table of its own, so that nobody searches the outbox."""
    return Table(
        f"{module}_sequence", metadata,
        Column("type", String, primary_key=True),
        Column("key", String, primary_key=True),
        Column("latest", BigInteger, nullable=False),
    )


def saga_of(module: str, metadata: MetaData) -> Table:
    """`state`: running, undoing, done, fault, failed, parked."""
    table = Table(
        f"{module}_saga", metadata,
        Column("id", String, primary_key=True),
        Column("keyed", Boolean, nullable=False),
        Column("method", String, nullable=False),
        Column("arguments", LargeBinary, nullable=False),
        Column("caller", LargeBinary, nullable=False),
        Column("state", String, nullable=False),
        Column("type", String),
        Column("answer", LargeBinary),
        Column("owner", String),
        Column("lease_until", Float),
        Column("fence", Integer, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("created", Float, nullable=False),
        Column("updated", Float, nullable=False),
    )
    open_ones = table.c.state.in_(("running", "undoing"))
    Index(f"{module}_saga_open", table.c.lease_until, sqlite_where=open_ones, postgresql_where=open_ones)
    return table


def journal_of(module: str, metadata: MetaData) -> Table:
    """`status` of a step: asked, done, fault, failed, undone."""
    return Table(
        f"{module}_journal", metadata,
        Column("saga", String, primary_key=True),
        Column("step", Integer, primary_key=True),
        Column("method", String, nullable=False),
        Column("arguments", LargeBinary, nullable=False),
        Column("status", String, nullable=False),
        Column("answer", LargeBinary),
        Column("type", String),
        Column("undo", String),
        Column("undo_arguments", LargeBinary),
    )

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
    Text,
)

from craton.data.job_table import index_job, job_of

NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""What counts rows by itself: in SQLite only an INTEGER does."""


@dataclass(frozen=True, slots=True)
class ModuleTables:
    """`inbox`: calls already answered, by key. `outbox`: events. `saga`, `journal`: sagas and their steps. `arrival`:
    events that sagas may wait for; `awaited`: the latest of each type and key, where who waits and what arrives meet.
    `sequence`, `cursor`: the order of events, sent and received. `letter`: events received and not applied yet.
    `snapshot`: states of event-sourced aggregates. `projection`: how far read models are. `job`: what workers do."""

    metadata: MetaData
    inbox: Table
    outbox: Table
    sequence: Table
    saga: Table
    journal: Table
    arrival: Table
    awaited: Table
    cursor: Table
    letter: Table
    snapshot: Table
    projection: Table
    job: Table


@cache
def tables_of(module: str) -> ModuleTables:
    """The tables of one module, named `<module>_inbox` and so on. Times are seconds since 1970, by the database."""
    metadata = MetaData()
    return ModuleTables(
        metadata, inbox_of(module, metadata), outbox_of(module, metadata), sequence_of(module, metadata),
        saga_of(module, metadata), journal_of(module, metadata),
        arrival_of(module, metadata), awaited_of(module, metadata),
        cursor_of(module, metadata), letter_of(module, metadata),
        snapshot_of(module, metadata), projection_of(module, metadata), job_of(module, metadata),
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
    """Events, in the order of `position`. `stream`: "order=o-1", whose events keep their order; "" for events without
    a key. `sequences`: JSON, the event's number in its stream by destination. `pending`: the destinations that have not
    confirmed it, separated by commas. `status`: stored, sent. `due`: when it is relayed, 0 for at once. `owner`: the
    process that relays it, until `lease_until`. `place`: of an event-sourced one, its version in its stream; `xid`: the
    transaction that stored it, where several write at once.
    """
    return Table(
        f"{module}_outbox", metadata,
        Column("position", NUMBER, primary_key=True, autoincrement=True),
        Column("id", String, nullable=False),
        Column("stream", String, nullable=False),
        Column("type", String, nullable=False),
        Column("version", Integer, nullable=False),
        Column("body", String, nullable=False),
        Column("sequences", String, nullable=False),
        Column("pending", String, nullable=False),
        Column("status", String, nullable=False),
        Column("due", Float, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("owner", String),
        Column("lease_until", Float),
        Column("trace", String, nullable=False),
        Column("created", Float, nullable=False),
        Column("place", BigInteger),
        Column("xid", BigInteger, nullable=False),
    )


def sequence_of(module: str, metadata: MetaData) -> Table:
    """The latest number that an event of a stream was given for a destination: each sees 1, 2, 3 ... without gaps."""
    return Table(
        f"{module}_sequence", metadata,
        Column("destination", String, primary_key=True),
        Column("stream", String, primary_key=True),
        Column("latest", BigInteger, nullable=False),
    )


def cursor_of(module: str, metadata: MetaData) -> Table:
    """The latest number received of each stream of a source. `letters`: how many of its events are not applied yet."""
    return Table(
        f"{module}_cursor", metadata,
        Column("source", String, primary_key=True),
        Column("stream", String, primary_key=True),
        Column("latest", BigInteger, nullable=False),
        Column("letters", Integer, nullable=False),
    )


def letter_of(module: str, metadata: MetaData) -> Table:
    """Events that a subscriber has received and not applied. `id`: of the event and the subscriber, as in the inbox.
    `status`: retrying, waiting (behind an earlier one of its stream), parked, unknown (no code here can read it)."""
    return Table(
        f"{module}_letter", metadata,
        Column("id", String, primary_key=True),
        Column("message", String, nullable=False),
        Column("subscriber", String, nullable=False),
        Column("source", String, nullable=False),
        Column("stream", String, nullable=False),
        Column("sequence", BigInteger, nullable=False),
        Column("type", String, nullable=False),
        Column("version", Integer, nullable=False),
        Column("body", String, nullable=False),
        Column("trace", String, nullable=False),
        Column("status", String, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("due", Float, nullable=False),
        Column("error", String, nullable=False),
        Column("created", Float, nullable=False),
    )


def saga_of(module: str, metadata: MetaData) -> Table:
    """`state`: running, undoing, waiting, done, fault, failed, parked. `due`: when one that waits goes on; `awaits`:
    the event that brings it on before. `version`: of the code it began with. `error`: why it is parked."""
    return Table(
        f"{module}_saga", metadata,
        Column("id", String, primary_key=True),
        Column("keyed", Boolean, nullable=False),
        Column("method", String, nullable=False),
        Column("arguments", LargeBinary, nullable=False),
        Column("caller", LargeBinary, nullable=False),
        Column("version", Integer, nullable=False),
        Column("state", String, nullable=False),
        Column("type", String),
        Column("answer", LargeBinary),
        Column("error", String),
        Column("due", Float),
        Column("awaits", String),
        Column("owner", String),
        Column("lease_until", Float),
        Column("fence", Integer, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("created", Float, nullable=False),
        Column("updated", Float, nullable=False),
    )


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


def arrival_of(module: str, metadata: MetaData) -> Table:
    """`awaits`: the event's type and key, as in the saga's column."""
    return Table(
        f"{module}_arrival", metadata,
        Column("id", String, primary_key=True),
        Column("awaits", String, nullable=False),
        Column("version", Integer, nullable=False),
        Column("body", Text, nullable=False),
        Column("created", Float, nullable=False),
    )


def awaited_of(module: str, metadata: MetaData) -> Table:
    """`latest`: the id of the latest arrival, "" before there is one."""
    return Table(
        f"{module}_awaited", metadata,
        Column("awaits", String, primary_key=True),
        Column("latest", String, nullable=False),
        Column("updated", Float, nullable=False),
    )


def snapshot_of(module: str, metadata: MetaData) -> Table:
    """The newest snapshot of each stream. `schema`: of the code that can read it."""
    return Table(
        f"{module}_snapshot", metadata,
        Column("stream", String, primary_key=True),
        Column("place", BigInteger, nullable=False),
        Column("schema", String, nullable=False),
        Column("body", String, nullable=False),
    )


def projection_of(module: str, metadata: MetaData) -> Table:
    """The event that each projection has seen last, in the order of `xid` and `position`."""
    return Table(
        f"{module}_projection", metadata,
        Column("name", String, primary_key=True),
        Column("xid", BigInteger, nullable=False),
        Column("position", BigInteger, nullable=False),
    )


@cache
def indexed(module: str) -> MetaData:
    """The same with their indexes, as migrations make them. Services do without: what an index says of PostgreSQL loads
    all that SQLAlchemy knows of it."""
    tables = tables_of(module)
    index_inbox(module, tables.inbox)
    index_outbox(module, tables.outbox)
    index_letter(module, tables.letter)
    index_saga(module, tables.saga)
    index_arrival(module, tables.arrival)
    index_awaited(module, tables.awaited)
    index_job(module, tables.job)
    return tables.metadata


def index_inbox(module: str, table: Table) -> None:
    """By age."""
    Index(f"{module}_inbox_created", table.c.created, postgresql_using="brin")  # rows come in its order


def index_outbox(module: str, table: Table) -> None:
    """By what is looked for: what is due, places in streams, streams, positions."""
    stored, placed = table.c.status == "stored", table.c.place.is_not(None)
    Index(f"{module}_outbox_stored", table.c.due, table.c.position, sqlite_where=stored, postgresql_where=stored)
    Index(
        f"{module}_outbox_place", table.c.stream, table.c.place,
        unique=True, sqlite_where=placed, postgresql_where=placed,
    )
    ordered = table.c.stream != ""
    Index(f"{module}_outbox_stream", table.c.stream, sqlite_where=ordered, postgresql_where=ordered)
    Index(f"{module}_outbox_xid", table.c.xid, table.c.position, sqlite_where=placed, postgresql_where=placed)


def index_letter(module: str, table: Table) -> None:
    """By stream, and by when they are due."""
    Index(f"{module}_letter_stream", table.c.subscriber, table.c.source, table.c.stream, table.c.sequence)
    Index(f"{module}_letter_due", table.c.status, table.c.due)


def index_saga(module: str, table: Table) -> None:
    """By state: the conditions are those of the statements that look for them."""
    open_ones = table.c.state.in_(("running", "undoing"))
    Index(f"{module}_saga_open", table.c.lease_until, sqlite_where=open_ones, postgresql_where=open_ones)
    waiting = table.c.state == "waiting"
    Index(f"{module}_saga_due", table.c.due, sqlite_where=waiting, postgresql_where=waiting)
    Index(f"{module}_saga_awaits", table.c.awaits, sqlite_where=waiting, postgresql_where=waiting)
    ended = table.c.state.in_(("done", "fault", "failed"))
    Index(f"{module}_saga_ended", table.c.updated, sqlite_where=ended, postgresql_where=ended)
    going = table.c.state.not_in(("done", "fault", "failed"))
    Index(f"{module}_saga_going", table.c.created, sqlite_where=going, postgresql_where=going)


def index_arrival(module: str, table: Table) -> None:
    """By what is awaited, and by age."""
    Index(f"{module}_arrival_awaits", table.c.awaits, table.c.created)
    Index(f"{module}_arrival_created", table.c.created)


def index_awaited(module: str, table: Table) -> None:
    """By age."""
    Index(f"{module}_awaited_updated", table.c.updated)

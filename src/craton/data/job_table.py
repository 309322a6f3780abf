"""The table of jobs, one per module."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

UNENDED = ("queued", "leased")
"""The states of jobs that have not ended."""


def job_of(module: str, metadata: MetaData) -> Table:
    """Jobs of tasks. `state`: queued, leased, done, failed, cancelled, expired. `rank`: the order in which those are
    given out that are `due`. `attempt`, `released`: times it was begun, and given back since; `fence`: of who may
    report, higher with each. `started`, `progressed`: this attempt, and its progress. `cancelled`: to be stopped.
    `uniq`: no two open jobs of a task have the same. `checkpoint`, `input`, `result`: JSON; `code`: of the error, whose
    `result` is the fault. `saga`: what its end is told to. `rung`: when the broker was told of it."""
    return Table(
        f"{module}_job", metadata,
        Column("id", String, primary_key=True),
        Column("task", String, nullable=False),
        Column("queue", String, nullable=False),
        Column("uniq", String),
        Column("state", String, nullable=False),
        Column("priority", Integer, nullable=False),
        Column("weight", Integer, nullable=False),
        Column("rank", Float, nullable=False),
        Column("due", Float, nullable=False),
        Column("expires", Float),
        Column("attempt", Integer, nullable=False),
        Column("released", Integer, nullable=False),
        Column("fence", Integer, nullable=False),
        Column("worker", String),
        Column("lease_until", Float),
        Column("started", Float),
        Column("progress", Float, nullable=False),
        Column("progressed", Float),
        Column("checkpoint", Text),
        Column("cancelled", Boolean, nullable=False),
        Column("input", Text, nullable=False),
        Column("result", Text),
        Column("code", String),
        Column("error", Text),
        Column("saga", String),
        Column("rung", Float),
        Column("trace", String, nullable=False),
        Column("created", Float, nullable=False),
        Column("updated", Float, nullable=False),
    )


def index_job(module: str, table: Table) -> None:
    """By queue and rank, by what is unique, and by what is looked after: the conditions are those of the statements."""
    c = table.c
    queued, leased, only = c.state == "queued", c.state == "leased", c.uniq.is_not(None) & c.state.in_(UNENDED)
    Index(f"{module}_job_queued", c.queue, c.rank, c.due, sqlite_where=queued, postgresql_where=queued)
    Index(f"{module}_job_unique", c.task, c.uniq, unique=True, sqlite_where=only, postgresql_where=only)
    Index(f"{module}_job_leased", c.lease_until, sqlite_where=leased, postgresql_where=leased)
    expiring = queued & c.expires.is_not(None)
    Index(f"{module}_job_expires", c.expires, sqlite_where=expiring, postgresql_where=expiring)
    unrung = queued & c.rung.is_(None)
    Index(f"{module}_job_unrung", c.queue, c.due, sqlite_where=unrung, postgresql_where=unrung)
    ended = c.state.not_in(UNENDED)
    Index(f"{module}_job_ended", c.updated, sqlite_where=ended, postgresql_where=ended)

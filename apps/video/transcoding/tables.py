"""The table of the transcoding module. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, MetaData, String, Table

metadata = MetaData()

runs = Table(
    "transcoding_runs", metadata,
    Column("video", String, primary_key=True),
    Column("stage", String, nullable=False),
    Column("jobs", Integer, nullable=False),  # how many there will be; 0 as long as nobody knows
    Column("reason", String, nullable=False),
    Column("changed", Float, nullable=False),
)

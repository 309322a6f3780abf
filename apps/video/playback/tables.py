"""The tables of the playback module. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Column, Float, MetaData, String, Table

metadata = MetaData()

films = Table(  # what can be watched, as the events of videos tell it
    "playback_films", metadata,
    Column("video", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("title", String, nullable=False),
    Column("privacy", String, nullable=False),
    Column("edition", String, nullable=False),  # as JSON
)

plays = Table(  # how far a viewer is
    "playback_plays", metadata,
    Column("video", String, primary_key=True),
    Column("viewer", String, primary_key=True),
    Column("position", Float, nullable=False),  # seconds into the video
    Column("counted", Float, nullable=False),  # when this was last a view; 0 for never
)

"""The tables of the videos module. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table

metadata = MetaData()

videos = Table(
    "videos_videos", metadata,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("upload", String, nullable=False),
    Column("title", String, nullable=False),
    Column("description", String, nullable=False),
    Column("words", String, nullable=False),  # of title and description, for the search: in small letters
    Column("privacy", String, nullable=False),
    Column("state", String, nullable=False),
    Column("version", Integer, nullable=False),  # of title, description and privacy
    Column("reason", String, nullable=False),
    Column("edition", String, nullable=False),  # its folder
    Column("duration", Float, nullable=False),  # seconds
    Column("height", Integer, nullable=False),
    Column("views", Integer, nullable=False),
    Column("likes", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Index("videos_videos_of_owner", "owner", "created"),
    Index("videos_videos_shown", "state", "privacy", "created"),
)

likes = Table(
    "videos_likes", metadata,
    Column("video", String, primary_key=True),
    Column("subject", String, primary_key=True),
)

"""Make the tables of the videos module."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_videos()
    make_likes()


def make_videos() -> None:
    """videos_videos."""
    op.create_table(
        "videos_videos",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("upload", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("words", sa.String(), nullable=False),
        sa.Column("privacy", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("edition", sa.String(), nullable=False),
        sa.Column("duration", sa.Float(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("views", sa.Integer(), nullable=False),
        sa.Column("likes", sa.Integer(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Index("videos_videos_of_owner", "owner", "created"),
        sa.Index("videos_videos_shown", "state", "privacy", "created"),
    )


def make_likes() -> None:
    """videos_likes."""
    op.create_table(
        "videos_likes",
        sa.Column("video", sa.String(), primary_key=True),
        sa.Column("subject", sa.String(), primary_key=True),
    )


def downgrade() -> None:
    op.drop_table("videos_likes")
    op.drop_table("videos_videos")

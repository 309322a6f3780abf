"""Make the tables of the playback module."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_films()
    make_plays()


def make_films() -> None:
    """playback_films."""
    op.create_table(
        "playback_films",
        sa.Column("video", sa.String(), primary_key=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("privacy", sa.String(), nullable=False),
        sa.Column("edition", sa.String(), nullable=False),
    )


def make_plays() -> None:
    """playback_plays."""
    op.create_table(
        "playback_plays",
        sa.Column("video", sa.String(), primary_key=True),
        sa.Column("viewer", sa.String(), primary_key=True),
        sa.Column("position", sa.Float(), nullable=False),
        sa.Column("counted", sa.Float(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("playback_plays")
    op.drop_table("playback_films")

"""Make the tables of the uploads module."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_uploads()
    make_parts()


def make_uploads() -> None:
    """uploads_uploads."""
    op.create_table(
        "uploads_uploads",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("video", sa.String(), nullable=False, unique=True),
        sa.Column("owner", sa.String(), nullable=False, index=True),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("privacy", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("pieces", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String()),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("job", sa.String(), nullable=False, index=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False, index=True),
    )


def make_parts() -> None:
    """uploads_parts."""
    op.create_table(
        "uploads_parts",
        sa.Column("upload", sa.String(), primary_key=True),
        sa.Column("start", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("uploads_parts")
    op.drop_table("uploads_uploads")

"""Keep sessions that renew themselves, and count failed sign-ins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users_sessions",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("roles", sa.String(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("renewed", sa.Float(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.Column("ended", sa.Float()),
    )
    op.create_index("ix_users_sessions_subject", "users_sessions", ["subject"])
    op.create_index("ix_users_sessions_expires", "users_sessions", ["expires"])
    op.create_table(
        "users_failures",
        sa.Column("email", sa.String(), primary_key=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("users_failures")
    op.drop_table("users_sessions")

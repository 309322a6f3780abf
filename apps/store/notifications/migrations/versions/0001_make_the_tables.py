"""Make the tables of the notifications module."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notifications_messages",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("written", sa.Float(), nullable=False),
    )
    op.create_index("notifications_messages_written", "notifications_messages", ["written", "id"])
    op.create_index("notifications_messages_about", "notifications_messages", ["about"])


def downgrade() -> None:
    op.drop_table("notifications_messages")

"""Make the tables of the payments module."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_payments()
    make_refunds()
    make_notices()


def make_payments() -> None:
    """payments_payments."""
    op.create_table(
        "payments_payments",
        sa.Column("order_id", sa.String(), primary_key=True),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("captured", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("action_url", sa.String()),
        sa.Column("decline_code", sa.String()),
    )


def make_refunds() -> None:
    """payments_refunds."""
    op.create_table(
        "payments_refunds",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
    )
    op.create_index("payments_refunds_order", "payments_refunds", ["order_id"])


def make_notices() -> None:
    """payments_notices."""
    op.create_table(
        "payments_notices",
        sa.Column("id", sa.String(), primary_key=True),
    )


def downgrade() -> None:
    op.drop_table("payments_notices")
    op.drop_table("payments_refunds")
    op.drop_table("payments_payments")

"""Make the tables of the shipping module."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shipping_shipments",
        sa.Column("order_id", sa.String(), primary_key=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("lines", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("paid", sa.Float(), nullable=False),
        sa.Column("tracking", sa.String()),
    )
    op.create_index("shipping_shipments_state", "shipping_shipments", ["state", "paid", "order_id"])


def downgrade() -> None:
    op.drop_table("shipping_shipments")

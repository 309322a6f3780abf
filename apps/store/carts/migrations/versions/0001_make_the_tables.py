"""Make the tables of the carts module."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LIVE = sa.text("state IN ('open', 'frozen')")


def upgrade() -> None:
    make_carts()
    make_lines()


def make_carts() -> None:
    """carts_carts."""
    op.create_table(
        "carts_carts",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("order_id", sa.String()),
        sa.Column("expires", sa.Float(), nullable=False),
    )
    op.create_index("carts_carts_expires", "carts_carts", ["state", "expires"])
    op.create_index("carts_carts_live", "carts_carts", ["owner"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE)


def make_lines() -> None:
    """carts_lines."""
    op.create_table(
        "carts_lines",
        sa.Column("cart_id", sa.String(), primary_key=True),
        sa.Column("sku", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("carts_lines")
    op.drop_table("carts_carts")

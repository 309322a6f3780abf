"""Make the tables of the orders module."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_orders()
    make_lines()
    make_history()


def make_orders() -> None:
    """orders_orders."""
    op.create_table(
        "orders_orders",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("cart", sa.String(), nullable=False),
        sa.Column("cart_version", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("goods", sa.BigInteger(), nullable=False),
        sa.Column("shipping", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("busy", sa.String(), nullable=False),
        sa.Column("action_url", sa.String()),
        sa.Column("tracking", sa.String()),
        sa.Column("placed", sa.Float(), nullable=False),
        sa.Column("held_until", sa.Float(), nullable=False),
    )
    op.create_index("orders_orders_owner", "orders_orders", ["owner", "placed"])
    op.create_index("orders_orders_placed", "orders_orders", ["placed"])
    op.create_index("orders_orders_waiting", "orders_orders", ["status", "held_until"])


def make_lines() -> None:
    """orders_lines."""
    op.create_table(
        "orders_lines",
        sa.Column("order_id", sa.String(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
    )


def make_history() -> None:
    """orders_history."""
    op.create_table(
        "orders_history",
        sa.Column("order_id", sa.String(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("orders_history")
    op.drop_table("orders_lines")
    op.drop_table("orders_orders")

"""Make the tables of the inventory module."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_stock()
    make_reservations()
    make_lines()
    make_movements()


def make_stock() -> None:
    """inventory_stock."""
    op.create_table(
        "inventory_stock",
        sa.Column("sku", sa.String(), primary_key=True),
        sa.Column("on_hand", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.CheckConstraint("0 <= reserved AND reserved <= on_hand", name="inventory_stock_sold_once"),
    )


def make_reservations() -> None:
    """inventory_reservations."""
    op.create_table(
        "inventory_reservations",
        sa.Column("order_id", sa.String(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
    )
    op.create_index("inventory_reservations_expires", "inventory_reservations", ["state", "expires"])


def make_lines() -> None:
    """inventory_lines."""
    op.create_table(
        "inventory_lines",
        sa.Column("order_id", sa.String(), primary_key=True),
        sa.Column("sku", sa.String(), primary_key=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
    )


def make_movements() -> None:
    """inventory_movements."""
    op.create_table(
        "inventory_movements",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("delta", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("inventory_movements")
    op.drop_table("inventory_lines")
    op.drop_table("inventory_reservations")
    op.drop_table("inventory_stock")

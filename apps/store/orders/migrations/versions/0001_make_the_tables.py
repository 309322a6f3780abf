"""Make the tables of the read models, twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PREFIXES = ("orders_", "orders_new_")


def upgrade() -> None:
    for prefix in PREFIXES:
        make_orders(f"{prefix}orders")
        make_lines(f"{prefix}lines")
        make_history(f"{prefix}history")
        make_takings(f"{prefix}takings")


def make_orders(name: str) -> None:
    """One row for each order."""
    op.create_table(
        name,
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("cart", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
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
    op.create_index(f"{name}_owner", name, ["owner", "placed"])
    op.create_index(f"{name}_placed", name, ["placed"])
    op.create_index(f"{name}_waiting", name, ["status", "held_until"])


def make_lines(name: str) -> None:
    """What was ordered."""
    op.create_table(
        name,
        sa.Column("order_id", sa.String(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
    )


def make_history(name: str) -> None:
    """When an order came to have a status."""
    op.create_table(
        name,
        sa.Column("order_id", sa.String(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
    )


def make_takings(name: str) -> None:
    """Money by day."""
    op.create_table(
        name,
        sa.Column("day", sa.String(), primary_key=True),
        sa.Column("currency", sa.String(3), primary_key=True),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("given_back", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    for prefix in PREFIXES:
        for table in ("takings", "history", "lines", "orders"):
            op.drop_table(f"{prefix}{table}")

"""Keep what the catalog tells: prices that changed, and products that are no longer sold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("carts_lines", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("carts_lines", sa.Column("withdrawn", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("carts_lines_sku", "carts_lines", ["sku"])
    op.create_table(
        "carts_products",
        sa.Column("sku", sa.String(), primary_key=True),
        sa.Column("price", sa.BigInteger()),
        sa.Column("currency", sa.String(3)),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("discontinued", sa.Boolean(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("carts_products")
    op.drop_index("carts_lines_sku", "carts_lines")
    op.drop_column("carts_lines", "withdrawn")
    op.drop_column("carts_lines", "revision")

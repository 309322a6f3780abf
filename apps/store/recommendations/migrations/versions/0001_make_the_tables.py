"""Make the tables of the recommendations module."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SORTED = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "recommendations_products",
        sa.Column("sku", SORTED, primary_key=True),
        sa.Column("sold", sa.BigInteger(), nullable=False),
        sa.Column("available", sa.Boolean(), nullable=False),
        sa.Column("discontinued", sa.Boolean(), nullable=False),
    )
    op.create_index("recommendations_products_sold", "recommendations_products", ["sold"])
    op.create_table(
        "recommendations_pairs",
        sa.Column("sku", SORTED, primary_key=True),
        sa.Column("other", SORTED, primary_key=True),
        sa.Column("orders", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("recommendations_pairs")
    op.drop_table("recommendations_products")

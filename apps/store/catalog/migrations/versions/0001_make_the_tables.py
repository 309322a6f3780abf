"""Make the tables of the catalog module."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SORTED = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    make_products()
    make_labels()


def make_products() -> None:
    """catalog_products."""
    op.create_table(
        "catalog_products",
        sa.Column("sku", SORTED, primary_key=True),
        sa.Column("name", SORTED, nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("brand", sa.String(), nullable=False),
        sa.Column("categories", sa.String(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("image_url", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
    )
    op.create_index("catalog_products_name", "catalog_products", ["status", "name"])
    op.create_index("catalog_products_price", "catalog_products", ["status", "price"])


def make_labels() -> None:
    """catalog_labels."""
    op.create_table(
        "catalog_labels",
        sa.Column("sku", SORTED, primary_key=True),
        sa.Column("category", sa.String(), primary_key=True),
    )
    op.create_index("catalog_labels_category", "catalog_labels", ["category"])


def downgrade() -> None:
    op.drop_table("catalog_labels")
    op.drop_table("catalog_products")

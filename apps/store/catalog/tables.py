"""The tables of the catalog module.

Names and skus are sorted by their code points on every engine, so that pages are the same everywhere.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table

metadata = MetaData()
SORTED = String().with_variant(String(collation="C"), "postgresql")

products = Table(
    "catalog_products", metadata,
    Column("sku", SORTED, primary_key=True),
    Column("name", SORTED, nullable=False),
    Column("description", String, nullable=False),
    Column("brand", String, nullable=False),
    Column("categories", String, nullable=False),  # a JSON list; catalog_labels holds the same to search by
    Column("price", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("image_url", String, nullable=False),
    Column("status", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Index("catalog_products_name", "status", "name"),
    Index("catalog_products_price", "status", "price"),
)
labels = Table(
    "catalog_labels", metadata,
    Column("sku", SORTED, primary_key=True),
    Column("category", String, primary_key=True),
    Index("catalog_labels_category", "category"),
)

"""The tables of the recommendations module. Skus are sorted by their code points on every engine."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, String, Table

metadata = MetaData()
SORTED = String().with_variant(String(collation="C"), "postgresql")

products = Table(
    "recommendations_products", metadata,
    Column("sku", SORTED, primary_key=True),
    Column("sold", BigInteger, nullable=False),
    Column("available", Boolean, nullable=False),
    Column("discontinued", Boolean, nullable=False),
    Index("recommendations_products_sold", "sold"),
)
pairs = Table(  # each pair stands here twice, once from each side
    "recommendations_pairs", metadata,
    Column("sku", SORTED, primary_key=True),
    Column("other", SORTED, primary_key=True),
    Column("orders", BigInteger, nullable=False),  # in which both were bought
)

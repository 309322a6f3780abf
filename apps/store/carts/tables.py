"""The tables of the carts module. Times are seconds since 1970."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, String, Table, false, text

metadata = MetaData()
LIVE = text("state IN ('open', 'frozen')")

carts = Table(
    "carts_carts", metadata,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("state", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("order_id", String),
    Column("expires", Float, nullable=False),
    Index("carts_carts_live", "owner", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),
    Index("carts_carts_expires", "state", "expires"),
)
lines = Table(
    "carts_lines", metadata,
    Column("cart_id", String, primary_key=True),
    Column("sku", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price", BigInteger, nullable=False),  # what the customer was shown, in the cart's currency
    Column("position", Integer, nullable=False),
    Column("revision", Integer, nullable=False, server_default="0"),  # of the product, when the customer was shown it
    Column("withdrawn", Boolean, nullable=False, server_default=false()),  # shown, but no longer bought with the cart
    Index("carts_lines_sku", "sku"),
)
products = Table(  # what the catalog has told us; not all there is
    "carts_products", metadata,
    Column("sku", String, primary_key=True),
    Column("price", BigInteger),
    Column("currency", String(3)),
    Column("revision", Integer, nullable=False),
    Column("discontinued", Boolean, nullable=False),
)

"""Two modules with tables, for the tests of the data layer."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Integer, MetaData, Numeric, String, Table

from craton.module import Module

bank, shop = MetaData(), MetaData()

account = Table(
    "bank_account", bank,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("balance", Integer, nullable=False),
)
transfer = Table(
    "bank_transfer", bank,
    Column("id", Integer, primary_key=True),
    Column("source", Integer, ForeignKey("bank_account.id"), nullable=False),
    Column("target", Integer, ForeignKey("bank_account.id"), nullable=False),
    Column("amount", Integer, nullable=False),
    CheckConstraint("amount > 0", name="bank_amount_positive"),
)
card = Table(
    "bank_card", bank,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("account", Integer, ForeignKey("bank_account.id", deferrable=True, initially="DEFERRED"), nullable=False),
    Column("fee", Numeric(10, 2)),
    Column("valid_until", DateTime),
)
item = Table("shop_item", shop, Column("sku", String, primary_key=True), Column("left", Integer, nullable=False))


class Nothing(Protocol):
    """A contract without methods: what the modules promise is no matter here."""


BANK = Module(
    "bank", Nothing, "tests.data.books:none", tables="tests.data.books.tables:bank", migrations="tests.data.books.bank"
)
SHOP = Module(
    "shop", Nothing, "tests.data.books:none", tables="tests.data.books.tables:shop", migrations="tests.data.books.shop"
)
MODULES = (BANK, SHOP)
NAMES = tuple(module.name for module in MODULES)

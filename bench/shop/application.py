"""The measured application."""

from __future__ import annotations

from bench.shop.contracts import Audience, Catalog, Delivery, Orders, Packing, Payments, Stock
from craton import Application, Module


def with_table(name: str, contract: type, implementation: str) -> Module:
    """A module with one table."""
    return Module(
        name, contract, f"bench.shop.modules:{implementation}", tables=f"bench.shop.tables:{name}_metadata",
        migrations=f"bench.shop.migrations.{name}",
    )


shop = Application("shop", [
    Module("catalog", Catalog, "bench.shop.modules:Shelf"),
    with_table("orders", Orders, "Desk"),
    with_table("stock", Stock, "Shelves"),
    with_table("payments", Payments, "Till"),
    with_table("packing", Packing, "Packers"),
    with_table("delivery", Delivery, "Drivers"),
    with_table("audience", Audience, "Ear"),
])

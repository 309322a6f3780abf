"""The values that peers with msgspec send: defined by hand, as somebody would who has no framework."""

from __future__ import annotations

import msgspec


class Product(msgspec.Struct, frozen=True):
    """A product."""

    sku: str
    name: str
    price: int
    currency: str
    stock: int
    tags: tuple[str, ...]
    active: bool
    updated_at: str


class Asked(msgspec.Struct, frozen=True):
    """Which products."""

    skus: tuple[str, ...]

"""The one method that every way of calling serves: ten products of eight fields, by their numbers."""

from __future__ import annotations

from typing import Any

SKUS = tuple(f"SKU-{i:06d}" for i in range(10))


def fields(number: int) -> dict[str, Any]:
    """What a product is made of."""
    return {
        "sku": SKUS[number],
        "name": f"Product name {number} deluxe",
        "price": 1999 + number,
        "currency": "USD",
        "stock": 42 + number,
        "tags": ("new", "sale"),
        "active": True,
        "updated_at": "2026-01-01T00:00:00Z",
    }


def shelf(make: Any) -> dict[str, Any]:
    """The products by number, made once: no side builds them while it is measured."""
    return {SKUS[number]: make(**fields(number)) for number in range(len(SKUS))}

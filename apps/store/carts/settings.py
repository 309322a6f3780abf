"""What differs from one installation to another in the carts module."""

from __future__ import annotations

from craton import Settings


class CartSettings(Settings):
    """`lifetime`: seconds that a cart may be left alone. `patience`: seconds to wait for suggestions."""

    lifetime: int = 30 * 24 * 3600
    patience: float = 0.25
    currency: str = "USD"

"""What differs from one installation to another in the inventory module."""

from __future__ import annotations

from craton import Settings


class InventorySettings(Settings):
    """`low`: stock left to sell at which a product is said to be low."""

    low: int = 5

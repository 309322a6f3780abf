"""What differs from one installation to another in the orders module."""

from __future__ import annotations

from craton import Settings


class OrderSettings(Settings):
    """Amounts are in minor units, the tax in hundredths of a percent. `hold`: seconds that stock is held for an order
    that is not paid yet, which is also the time that its customer has at the bank."""

    shipping: int = 599
    free_shipping_from: int = 10_000
    tax: int = 825
    hold: int = 900

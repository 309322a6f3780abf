"""What differs from one installation to another in the shipping module."""

from __future__ import annotations

from craton import Settings


class ShippingSettings(Settings):
    """`rates`: for each country its price and the value of goods from which sending them is free, in minor units; 0
    where it never is. `*` stands for all other countries."""

    rates: str = "US 599 10000, CA 1299 20000, MX 1299 20000, * 2499 0"

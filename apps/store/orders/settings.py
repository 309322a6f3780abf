"""What differs from one installation to another in the orders module."""

from __future__ import annotations

from craton import Settings


class OrderSettings(Settings):
    """The tax is in hundredths of a percent. `hold`: seconds that stock is held for an order that is not paid yet,
    which is also the time that its customer has at the bank."""

    tax: int = 825
    hold: int = 900

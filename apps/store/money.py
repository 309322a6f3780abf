"""Money, the one value that every module of the store speaks."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from craton import Value

Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
"""An ISO 4217 code."""
Amount = Annotated[int, Meta(ge=-10**15, le=10**15)]
"""Minor units: far more than any sum of prices, and small enough for 64 bits."""


class Money(Value):
    """An amount in minor units (cents), so that sums are exact."""

    amount: Amount
    currency: Currency = "USD"

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be added: convert one of them first.")
        return Money(self.amount + other.amount, self.currency)

    def times(self, quantity: int) -> Money:
        """The price of so many."""
        return Money(self.amount * quantity, self.currency)


def total(currency: str, *amounts: Money) -> Money:
    """The sum of amounts in one currency; nothing adds up to zero."""
    return sum(amounts, start=Money(0, currency))

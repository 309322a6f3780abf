"""Currencies that prices can be shown in. They are charged in the shop's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from apps.store.money import Money

AS_OF = date(2026, 11, 20)
"""The day of the rates. They are samples: a real shop would ask a bank each day."""


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency: how it is written, and how much of it a US dollar buys."""

    code: str
    name: str
    symbol: str
    rate: Decimal
    digits: int = 2

    def write(self, amount: Decimal) -> str:
        """An amount in major units, as a customer reads it."""
        rounded = amount.quantize(Decimal(1).scaleb(-self.digits), ROUND_HALF_UP)
        return f"{'-' if rounded < 0 else ''}{self.symbol}{abs(rounded):,}"

    def show(self, money: Money) -> str:
        """Money in this currency; as it is, where nobody knows what it is worth."""
        own = CURRENCIES.get(money.currency)
        if own is None:
            return f"{Decimal(money.amount).scaleb(-2):,} {money.currency}"
        amount = Decimal(money.amount).scaleb(-own.digits)
        return self.write(amount if own is self else amount / own.rate * self.rate)


CURRENCIES = {currency.code: currency for currency in (
    Currency("USD", "US dollar", "$", Decimal(1)),
    Currency("EUR", "Euro", "€", Decimal("0.9247")),
    Currency("GBP", "Pound sterling", "£", Decimal("0.7843")),
    Currency("CAD", "Canadian dollar", "CA$", Decimal("1.3971")),
    Currency("JPY", "Japanese yen", "¥", Decimal("154.62"), digits=0),
    Currency("TRY", "Turkish lira", "₺", Decimal("41.88")),
)}


def exact(money: Money) -> str:
    """Money in the currency that it is in."""
    return CURRENCIES.get(money.currency, CURRENCIES["USD"]).show(money)

"""What it costs to send goods, by country and value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from apps.store.money import Money
from apps.store.shipping.contract import Offer
from craton import SettingsError

ELSEWHERE = "*"


class Rate(NamedTuple):
    """The price for one country, and the value of goods from which it is free; 0 where it never is."""

    price: int
    free_from: int


def read_rates(text: str) -> dict[str, Rate]:
    """The rates of the settings: "US 599 10000, * 2499 0"."""
    try:
        rows = [row.split() for row in text.split(",")]
        rates = {country: Rate(int(price), int(free_from)) for country, price, free_from in rows}
    except ValueError:
        rates = {}
    if ELSEWHERE not in rates or min(map(min, rates.values())) < 0:
        raise SettingsError(
            f"CRATON_SHIPPING_RATES is {text!r}: write the country, the price and the value from which it is free, "
            "such as 'US 599 10000, * 2499 0', with one line for all others (*)."
        )
    return rates


def offer(rates: Mapping[str, Rate], country: str, goods: Money) -> Offer:
    """What it costs."""
    rate = rates.get(country, rates[ELSEWHERE])
    free = 0 < rate.free_from <= goods.amount
    free_from = Money(rate.free_from, goods.currency) if rate.free_from else None
    return Offer(Money(0 if free else rate.price, goods.currency), free_from)

"""Forms: what was typed, and what is wrong with it, field by field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.store.storefront import cards, countries

EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(slots=True)
class Form:
    """What was typed, to be read field by field. `errors` holds what is wrong, by field."""

    typed: Mapping[str, str]
    errors: dict[str, str] = field(default_factory=dict)

    def wrong(self, name: str, why: str) -> str:
        """Something is wrong with a field."""
        self.errors.setdefault(name, why)
        return ""

    def text(self, name: str, *, most: int = 200, missing: str = "") -> str:
        """A text; `missing` is said where there is none, if there must be one."""
        given = self.typed.get(name, "").strip()
        if not given and missing:
            return self.wrong(name, missing)
        return given if len(given) <= most else self.wrong(name, f"At most {most} characters, please.")

    def email(self, name: str = "email") -> str:
        """An address to write to."""
        given = self.text(name, most=254, missing="Enter your e-mail address.")
        if given and not EMAIL.fullmatch(given):
            return self.wrong(name, "Enter an e-mail address, such as me@example.com.")
        return given

    def country(self, name: str = "country") -> str:
        """A country, by its name or code."""
        given = self.text(name, missing="Choose a country.")
        code = countries.code_of(given) if given else ""
        return code if code is not None else self.wrong(name, "Choose a country of the list.")

    def number(self, name: str, *, least: int, most: int, otherwise: int) -> int:
        """A whole number within limits."""
        given = self.typed.get(name, "").strip()
        if not given:
            return otherwise
        if not (given.isascii() and given.isdecimal() and len(given) < 10 and least <= int(given) <= most):
            self.wrong(name, f"Enter a number from {least} to {most}.")
            return otherwise
        return int(given)

    def card(self, now: datetime, *, numbers: bool = True) -> str:
        """The provider's token for a card: one that was chosen, or, where `numbers` are taken, the one typed in."""
        chosen = self.typed.get("card", "")
        if chosen and chosen != "other":
            return chosen if chosen.startswith("pm_") and len(chosen) <= 100 else self.wrong("card", "Choose a card.")
        if not numbers:
            return self.wrong("card", "This shop takes no card numbers: it needs a token of its payment provider.")
        token = cards.token_of(self.typed.get("credit_card_number", ""))
        if token is None:
            return self.wrong("credit_card_number", "Check the number: no Visa, Mastercard or American Express has it.")
        month = self.number("credit_card_expiration_month", least=1, most=12, otherwise=12)
        year = self.number("credit_card_expiration_year", least=2000, most=2199, otherwise=now.year)
        if (year, month) < (now.year, now.month):
            return self.wrong("credit_card_expiration_month", "This card has expired.")
        code = self.typed.get("credit_card_cvv", "")
        if not (code.isascii() and code.isdecimal() and len(code) in (3, 4)):
            return self.wrong("credit_card_cvv", "Enter the 3 or 4 digits on the card.")
        return token

"""Cards: the test cards of the payment provider, and what becomes of a card number. No number is stored or sent on."""

from __future__ import annotations

from typing import NamedTuple


class Choice(NamedTuple):
    """A test card that the checkout offers: the provider's token for it, its number, and what it does."""

    token: str
    brand: str
    number: str
    what: str

    @property
    def ending(self) -> str:
        """By which a customer knows it."""
        return f"{self.brand} ending in {self.number[-4:]}"


CHOICES = (
    Choice("pm_card_visa", "Visa", "4242424242424242", "is accepted"),
    Choice("pm_card_mastercard", "Mastercard", "5555555555554444", "is accepted"),
    Choice("pm_card_authenticationRequired", "Visa", "4000002500003155", "its bank asks you first (3-D Secure)"),
    Choice("pm_card_chargeDeclined", "Visa", "4000000000000002", "is declined"),
    Choice("pm_card_chargeDeclinedInsufficientFunds", "Visa", "4000000000009995", "is declined: too little money"),
)
TOKENS = {choice.number: choice.token for choice in CHOICES}
BRANDS = (("34", "amex"), ("37", "amex"), ("2", "mastercard"), ("5", "mastercard"), ("4", "visa"))
"""The brands that the shop takes, by the first digits of a number."""
WHY = {
    "insufficient_funds": "there is not enough money on it", "expired_card": "it has expired",
    "incorrect_cvc": "its security code is wrong", "processing_error": "its bank could not be reached",
    "invalid_payment_method": "the payment provider does not know it",
}


def token_of(number: str) -> str | None:
    """The provider's token for a card number; None where no card that the shop takes could have it."""
    digits = number.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdecimal() and 12 <= len(digits) <= 19 and luhn(digits)):
        return None
    brand = next((brand for first, brand in BRANDS if digits.startswith(first)), None)
    return TOKENS.get(digits) or (f"pm_card_{brand}" if brand else None)


def luhn(digits: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1)."""
    doubled = [int(d) * 2 for d in digits[-2::-2]]
    return (sum(int(d) for d in digits[-1::-2]) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0


def why(code: str) -> str:
    """Why a card was declined, for its holder; a bank says mostly nothing that a shop should repeat."""
    return WHY.get(code, "its bank said no")

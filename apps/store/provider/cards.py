"""The test cards: Stripe's own, and some that misbehave in ways that Stripe's do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Trouble = Literal[
    "timeout_before", "timeout_after", "late", "disconnect_before", "disconnect_after", "unavailable", "slow",
]
"""What goes wrong with one request: no answer, before or after it was carried out; carried out when nobody waits any
more (late); the connection cut; refused at the door with 503; answered late, but in time."""
Operation = Literal["authorize", "capture", "cancel", "refund", "authenticate", "other"]


@dataclass(frozen=True, slots=True)
class Card:
    """How a card behaves. `decline`: why it is declined (code, decline code). `challenge`: its bank asks the customer
    first. `trouble` befalls the first attempt of this operation under each key."""

    brand: str
    last4: str
    decline: tuple[str, str] | None = None
    challenge: bool = False
    trouble: tuple[Operation, Trouble] | None = None


def declined(last4: str, code: str, decline_code: str) -> Card:
    """A card that is declined."""
    return Card("visa", last4, decline=(code, decline_code))


def troubled(operation: Operation, trouble: Trouble) -> Card:
    """A card that something befalls."""
    return Card("visa", "4242", trouble=(operation, trouble))


GENERIC = declined("0002", "card_declined", "generic_decline")
FUNDS = declined("9995", "card_declined", "insufficient_funds")
LOST = declined("9987", "card_declined", "lost_card")
STOLEN = declined("9979", "card_declined", "stolen_card")
EXPIRED = declined("0069", "expired_card", "expired_card")
CVC = declined("0127", "incorrect_cvc", "incorrect_cvc")
PROCESSING = declined("0119", "processing_error", "processing_error")
CHALLENGED = Card("visa", "3155", challenge=True)

NUMBERS = {
    "4242424242424242": Card("visa", "4242"), "4000056655665556": Card("visa", "5556"),
    "5555555555554444": Card("mastercard", "4444"), "378282246310005": Card("amex", "0005"),
    "4000000000000002": GENERIC, "4000000000009995": FUNDS, "4000000000009987": LOST, "4000000000009979": STOLEN,
    "4000000000000069": EXPIRED, "4000000000000127": CVC, "4000000000000119": PROCESSING,
    "4000002500003155": CHALLENGED, "4000000000003220": CHALLENGED, "4000002760003184": CHALLENGED,
}
"""docs.stripe.com/testing. Every other number that could be a card's is declined."""

TOKENS = {
    "pm_card_visa": Card("visa", "4242"), "pm_card_mastercard": Card("mastercard", "4444"),
    "pm_card_amex": Card("amex", "0005"),
    "pm_card_chargeDeclined": GENERIC, "pm_card_visa_chargeDeclined": GENERIC,
    "pm_card_chargeDeclinedInsufficientFunds": FUNDS, "pm_card_visa_chargeDeclinedInsufficientFunds": FUNDS,
    "pm_card_visa_chargeDeclinedLostCard": LOST, "pm_card_visa_chargeDeclinedStolenCard": STOLEN,
    "pm_card_chargeDeclinedExpiredCard": EXPIRED, "pm_card_chargeDeclinedIncorrectCvc": CVC,
    "pm_card_chargeDeclinedProcessingError": PROCESSING,
    "pm_card_authenticationRequired": CHALLENGED, "pm_card_threeDSecureRequired": CHALLENGED,
    "pm_card_threeDSecure2Required": CHALLENGED,
    # ours
    "pm_card_timeoutBeforeAuthorize": troubled("authorize", "timeout_before"),
    "pm_card_timeoutAfterAuthorize": troubled("authorize", "timeout_after"),
    "pm_card_lateAuthorize": troubled("authorize", "late"),
    "pm_card_disconnectAfterAuthorize": troubled("authorize", "disconnect_after"),
    "pm_card_timeoutBeforeCharge": troubled("capture", "timeout_before"),
    "pm_card_timeoutAfterCharge": troubled("capture", "timeout_after"),
    "pm_card_lateCharge": troubled("capture", "late"),
    "pm_card_disconnectAfterCharge": troubled("capture", "disconnect_after"),
    "pm_card_slowCharge": troubled("capture", "slow"),
    "pm_card_timeoutAfterRefund": troubled("refund", "timeout_after"),
    "pm_card_timeoutAfterCancel": troubled("cancel", "timeout_after"),
}


def card_of(number: str) -> Card | None:
    """The card with this number; None where no card could have it."""
    digits = number.replace(" ", "").replace("-", "")
    if not digits.isdecimal() or not 12 <= len(digits) <= 19 or not luhn(digits):
        return None
    return NUMBERS.get(digits, declined(digits[-4:], "card_declined", "live_mode_test_card"))


def luhn(digits: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1)."""
    doubled = [int(d) * 2 for d in digits[-2::-2]]
    return (sum(int(d) for d in digits[-1::-2]) + sum(d - 9 if d > 9 else d for d in doubled)) % 10 == 0

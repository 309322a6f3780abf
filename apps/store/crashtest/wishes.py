"""What the customers of one run want, drawn from its seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

After = Literal["keep", "cancel", "cancel twice", "resume", "fail at bank", "abandon", "resume and cancel"]
How = Literal["once", "three times at once", "in two tabs"]

GOOD = ("pm_card_visa", "pm_card_mastercard", "pm_card_amex")
DECLINED = (
    "pm_card_chargeDeclined", "pm_card_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedExpiredCard",
    "pm_card_visa_chargeDeclinedLostCard", "pm_card_thatIsNone",
)
TROUBLED = (
    "pm_card_timeoutBeforeAuthorize", "pm_card_timeoutAfterAuthorize", "pm_card_lateAuthorize",
    "pm_card_disconnectAfterAuthorize", "pm_card_timeoutBeforeCharge", "pm_card_timeoutAfterCharge",
    "pm_card_lateCharge", "pm_card_disconnectAfterCharge", "pm_card_slowCharge", "pm_card_timeoutAfterRefund",
    "pm_card_timeoutAfterCancel",
)
CHALLENGED = ("pm_card_authenticationRequired", "pm_card_threeDSecureRequired")
CARDS: Mapping[tuple[str, ...], int] = {GOOD: 45, TROUBLED: 30, DECLINED: 12, CHALLENGED: 13}
AFTER_PAYING: Mapping[After, int] = {"keep": 68, "cancel": 24, "cancel twice": 8}
AFTER_CHALLENGE: Mapping[After, int] = {
    "resume": 40, "fail at bank": 15, "abandon": 20, "cancel": 15, "resume and cancel": 10,
}
HOW: Mapping[How, int] = {"once": 80, "three times at once": 10, "in two tabs": 10}
SCARCE = 0.35
"""How many customers want something of which there is too little for all."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One customer's. `hurry`: seconds after which the browser hangs up; `wait`: seconds until a 202 is wanted.

    `another_card`: with what a declined customer tries again, if at all.
    """

    number: int
    basket: Mapping[str, int]
    card: str
    another_card: str | None
    how: How
    after: After
    hurry: float
    wait: int | None


def draw(chance: random.Random, number: int, *, skus: list[str], scarce: list[str]) -> Wish:
    """One customer's wish."""
    cards = chance.choices(list(CARDS), list(CARDS.values()))[0]
    after = AFTER_CHALLENGE if cards is CHALLENGED else AFTER_PAYING
    basket = {sku: chance.randint(1, 3) for sku in chance.sample(skus, chance.randint(1, 3))}
    if chance.random() < SCARCE:
        basket[chance.choice(scarce)] = chance.randint(1, 2)
    return Wish(
        number=number, basket=dict(list(basket.items())[-3:]), card=chance.choice(cards),
        another_card=chance.choice(GOOD) if chance.random() < 0.5 else None,
        how=chance.choices(list(HOW), list(HOW.values()))[0],
        after=chance.choices(list(after), list(after.values()))[0],
        hurry=1.0 if chance.random() < 0.1 else 30.0,
        wait=chance.choice((None, None, 1, 3)),
    )

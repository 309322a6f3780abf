"""What differs from one installation to another in the storefront."""

from __future__ import annotations

from apps.store.storefront.currencies import CURRENCIES
from craton import Settings, SettingsError


class StorefrontSettings(Settings):
    """`limit`: seconds that a page may take; `patience`: that it waits for what it can do without; `wait`: that a
    customer who buys looks at an empty window, before a page tells how far the order is. `test_cards`: offer the
    provider's test cards, and take any number that could be a card's for one; without it only a provider's token buys.
    `guest_lifetime`: seconds that a visitor without an account keeps the cart.
    """

    name: str = "Harbour & Hearth"
    currency: str = "USD"
    limit: float = 4.0
    patience: float = 0.3
    wait: float = 1.5
    test_cards: bool = True
    guest_lifetime: int = 30 * 24 * 3600

    def __post_init__(self) -> None:
        if self.currency not in CURRENCIES:
            known = ", ".join(CURRENCIES)
            raise SettingsError(f"CRATON_STOREFRONT_CURRENCY is {self.currency}: prices are shown in {known}.")

"""What differs from one installation to another in the payments module."""

from __future__ import annotations

from craton import Secret, Settings


class PaymentSettings(Settings):
    """Where the payment provider is: Stripe itself, or what simulates it. `timeout` is in seconds.

    `webhook_secret` signs what the provider tells us; the simulated provider has this one.
    """

    api_base: str = "https://api.stripe.com"
    api_key: Secret = Secret("sk_test_store")
    webhook_secret: Secret = Secret("whsec_store_simulation")
    timeout: float = 5.0

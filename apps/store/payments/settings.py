"""What differs from one installation to another in the payments module."""

from __future__ import annotations

from craton import Secret, Settings


class PaymentSettings(Settings):
    """Where the payment provider is: Stripe itself, or what simulates it. `timeout` is in seconds.

    `return_url` is where a customer comes back to from the bank. `webhook_secret` signs what the provider tells us; the
    simulated provider has this one.
    """

    api_base: str = "https://api.stripe.com"
    api_key: Secret = Secret("sk_test_store")
    webhook_secret: Secret = Secret("whsec_store_simulation")
    return_url: str = "http://127.0.0.1:8000/checkout/return"
    timeout: float = 5.0

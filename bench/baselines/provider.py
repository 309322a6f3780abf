"""The payment provider (Stripe's API), asked over the process's one HTTP client."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.baselines.faults import Fault, Unavailable
from bench.baselines.values import Money

BASE = os.environ.get("PAYMENTS_API", "")
HEADERS = {"Authorization": "Bearer sk_test_store"}
RETURN_URL = os.environ.get("PAYMENTS_RETURN_URL", "http://127.0.0.1:8000/checkout/return")


@dataclass(slots=True)
class Intent:
    """A payment at the provider."""

    reference: str
    order: str
    status: str
    captured: int


class Provider:
    """Payments as PaymentIntents, captured by hand. Each request has a key of its own: sent again it is the same."""

    def __init__(self, http: aiohttp.ClientSession, base: str = BASE) -> None:
        self.http, self.base = http, base

    async def authorize(self, order: str, total: Money, token: str) -> Intent:
        """Have the money promised."""
        form = {
            "amount": str(total.amount), "currency": total.currency.lower(), "payment_method": token,
            "allowed_payment_method_types[0]": "card", "capture_method": "manual", "confirm": "true",
            "return_url": RETURN_URL, "metadata[order]": order,
        }
        return await self.ask("/v1/payment_intents", form, key=f"{order}-authorize")

    async def capture(self, reference: str, order: str) -> Intent:
        """Take the promised money."""
        return await self.ask(f"/v1/payment_intents/{reference}/capture", {}, key=f"{order}-capture")

    async def cancel(self, reference: str, order: str) -> Intent:
        """Give the promise up."""
        return await self.ask(f"/v1/payment_intents/{reference}/cancel", {}, key=f"{order}-cancel")

    async def ask(self, path: str, form: Mapping[str, str], *, key: str) -> Intent:
        """One request."""
        try:
            headers = {**HEADERS, "Idempotency-Key": key}
            async with self.http.post(self.base + path, data=form, headers=headers) as response:
                said = await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"the payment provider did not say: {error}") from error
        if response.status == 402 or (response.status == 400 and path == "/v1/payment_intents"):
            raise Fault("CardDeclined", 402, code=said["error"].get("decline_code") or said["error"].get("code", ""))
        if response.status >= 400:
            raise Unavailable(f"the payment provider refused: {said}")
        return intent_of(said)


def intent_of(said: Any) -> Intent:
    """A PaymentIntent as the shop sees it."""
    return Intent(said["id"], said["metadata"].get("order", ""), said["status"], said.get("amount_received") or 0)

"""The payment provider through the official Stripe client: Stripe itself, or what simulates it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import stripe
from stripe.params import PaymentIntentSearchParams

from apps.store.money import Money
from apps.store.payments.provider import Declined, Forged, Intent, Notice, Refused
from apps.store.payments.settings import PaymentSettings
from apps.store.payments.transport import Transport
from craton import OutcomeUnknown

LONGEST_KEY = 255
"""Characters that Stripe takes of an idempotency key."""
TOLERANCE = stripe.Webhook.DEFAULT_TOLERANCE
"""Seconds for which a webhook's signature is good."""


class StripeProvider:
    """Payments as Stripe's PaymentIntents, captured by hand; the order's id is their metadata `order`."""

    def __init__(self, settings: PaymentSettings) -> None:
        stripe.enable_telemetry = False  # it would write a file into the home directory
        self.http = Transport(timeout=settings.timeout)
        self.client = stripe.StripeClient(
            settings.api_key.reveal(), base_addresses={"api": settings.api_base}, http_client=self.http,
            max_network_retries=0,  # whoever asks knows better when to ask again
        )
        self.return_url, self.webhook_secret = settings.return_url, settings.webhook_secret.reveal()

    async def authorize(self, order: str, amount: Money, token: str, *, key: str) -> Intent:
        """Create and confirm a PaymentIntent."""
        with final_answers():
            made = await self.client.v1.payment_intents.create_async(
                {
                    "amount": amount.amount, "currency": amount.currency.lower(), "payment_method": token,
                    "allowed_payment_method_types": ["card"], "capture_method": "manual", "confirm": True,
                    "return_url": self.return_url, "metadata": {"order": order},
                },
                options(key),
            )
        return intent_of(made.to_dict())

    async def capture(self, reference: str, *, key: str) -> Intent:
        """Capture the whole amount."""
        return await self.moved(self.client.v1.payment_intents.capture_async(reference, {}, options(key)), reference)

    async def cancel(self, reference: str, *, key: str) -> Intent:
        """Cancel a PaymentIntent."""
        return await self.moved(self.client.v1.payment_intents.cancel_async(reference, {}, options(key)), reference)

    async def moved(self, asked: Awaitable[stripe.PaymentIntent], reference: str) -> Intent:
        """The answer; or the payment as it is, when it could not be moved from there."""
        try:
            with final_answers():
                return intent_of((await asked).to_dict())
        except Refused:
            return await self.intent(reference)

    async def refund(self, reference: str, amount: Money, refund: str, *, key: str) -> str:
        """Refund an amount."""
        with final_answers():
            made = await self.client.v1.refunds.create_async(
                {"payment_intent": reference, "amount": amount.amount, "metadata": {"refund": refund}}, options(key)
            )
        if made.status == "failed":
            raise Refused(made.failure_reason or "the refund failed")
        return made.id

    async def intent(self, reference: str) -> Intent:
        """Retrieve a PaymentIntent, with what was refunded of it."""
        with final_answers():
            found = await self.client.v1.payment_intents.retrieve_async(reference, {"expand": ["latest_charge"]})
        return intent_of(found.to_dict())

    async def find(self, order: str) -> Intent | None:
        """Search by metadata. Stripe's search knows a payment only after a minute or so; the simulated one at once."""
        wanted: PaymentIntentSearchParams = {"query": f"metadata['order']:'{order}'", "expand": ["data.latest_charge"]}
        with final_answers():
            found = await self.client.v1.payment_intents.search_async(wanted)
        return intent_of(found.data[0].to_dict()) if found.data else None

    def read(self, payload: str, signature: str) -> Notice:
        """A webhook, its signature checked."""
        try:
            stripe.WebhookSignature.verify_header(payload, signature, self.webhook_secret, TOLERANCE)
            event = json.loads(payload)
            return Notice(event["id"], told(event["data"]["object"]))
        except (stripe.SignatureVerificationError, ValueError, KeyError, TypeError) as error:
            raise Forged(str(error)) from error

    async def close(self) -> None:
        """Close the connections."""
        await self.http.close_async()


@contextmanager
def final_answers() -> Iterator[None]:
    """Tell final answers from unknown ones. A wrong key or setting is neither, and passes as it is."""
    try:
        yield
    except stripe.CardError as error:
        raise declined(error) from error
    except stripe.InvalidRequestError as error:
        raise Refused(error.user_message or str(error)) from error
    except (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError) as error:
        raise OutcomeUnknown(f"the payment provider did not say: {error}") from error


def declined(error: stripe.CardError) -> Declined:
    """Why a card was declined, in Stripe's words."""
    details = error.error
    reason = details.decline_code if details is not None else None
    intent = details.payment_intent if details is not None else None
    return Declined(reason or error.code or "card_declined", intent.id if intent is not None else "")


def options(key: str) -> stripe.RequestOptions:
    """The options of a call under an idempotency key, which is shortened where Stripe finds it too long."""
    return {"idempotency_key": key if len(key) <= LONGEST_KEY else sha256(key.encode()).hexdigest()}


def intent_of(found: Mapping[str, Any]) -> Intent:
    """A PaymentIntent of Stripe as we see it."""
    charge, action, failure = found.get("latest_charge"), found.get("next_action"), found.get("last_payment_error")
    return Intent(
        reference=found["id"], order=(found.get("metadata") or {}).get("order", ""), status=found["status"],
        amount=Money(found["amount"], found["currency"].upper()), captured=found.get("amount_received") or 0,
        refunded=charge["amount_refunded"] if isinstance(charge, Mapping) else None,
        action_url=((action or {}).get("redirect_to_url") or {}).get("url"),
        decline_code=(failure.get("decline_code") or failure.get("code")) if failure else None,
    )


def told(object: Mapping[str, Any]) -> Intent | None:
    """The payment that an event is about. A charge tells of its payment what was captured and refunded."""
    if object["object"] == "payment_intent":
        return intent_of(object)
    if object["object"] != "charge" or not object.get("payment_intent"):
        return None
    return Intent(
        reference=object["payment_intent"], order=(object.get("metadata") or {}).get("order", ""),
        status="succeeded" if object["captured"] else "requires_capture",
        amount=Money(object["amount"], object["currency"].upper()), captured=object["amount_captured"],
        refunded=object["amount_refunded"],
    )

"""What others may know of payments."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from msgspec import Meta

from apps.store.money import Money
from craton import Event, Fault, Value, command, effect, query

Status = Literal[
    "unknown", "requires_confirmation", "requires_payment_method", "requires_action", "processing", "requires_capture",
    "canceled", "succeeded",
]
"""The words of Stripe's PaymentIntent; `unknown` before the provider has said anything."""

Limit = Annotated[int, Meta(ge=1, le=1000)]


class Payment(Value):
    """The payment of one order. `reference` is the provider's name for it.

    Where `status` is requires_action, the customer must visit `action_url` (3-D Secure). `captured` and `refunded` are
    what was taken and given back so far.
    """

    order: str
    reference: str
    status: Status
    amount: Money
    captured: Money
    refunded: Money
    action_url: str | None = None
    decline_code: str | None = None


class Refund(Value):
    """Money given back. `id` names the refund; the same id twice gives back once."""

    id: str
    order: str
    amount: Money
    reference: str


class CardDeclined(Fault, status=402):
    """The card was not accepted; try another one."""

    order: str
    code: str


class PaymentNotFound(Fault, status=404):
    """Nothing was ever to be paid for this order."""

    order: str


class PaymentEnded(Fault, status=409):
    """The payment cannot go on from where it is."""

    order: str
    state: Status


class RefundTooLarge(Fault, status=422):
    """More than what is left of what was paid."""

    order: str
    left: Money


class RefundRefused(Fault, status=409):
    """The provider will not give this money back; its reason is in `message`."""

    order: str
    message: str


class InvalidWebhook(Fault, status=400):
    """The signature is none of the provider's, or the event is none."""


class PaymentAuthorized(Event, key="order"):
    """The customer's bank has promised the money."""

    order: str
    amount: Money


class PaymentCaptured(Event, key="order"):
    """The money is ours."""

    order: str
    amount: Money


class PaymentVoided(Event, key="order"):
    """The bank's promise was given up; no money was taken."""

    order: str


class PaymentRefunded(Event, key="order"):
    """Money was given back."""

    order: str
    amount: Money


class Payments(Protocol):
    """One payment for each order, named by the order, at the payment provider."""

    @query(get="/admin/payments/{order}", raises=PaymentNotFound, allow="admin")
    async def payment(self, order: str) -> Payment:
        """The payment of an order, as far as it is known here."""
        ...

    @query(get="/admin/payments", allow="admin")
    async def payments(self, after: str = "", limit: Limit = 100) -> tuple[Payment, ...]:
        """Payments by order, those that follow `after`; for audits."""
        ...

    @effect(raises=(CardDeclined, PaymentEnded))
    async def authorize(self, order: str, amount: Money, token: str) -> Payment:
        """Have the money promised. `token` is the provider's name for a card. The status is requires_capture, or
        requires_action when the customer must act first: then authorize again. Never two payments for one order."""
        ...

    @effect(raises=(PaymentNotFound, PaymentEnded))
    async def capture(self, order: str) -> Payment:
        """Take the promised money."""
        ...

    @effect(raises=RefundRefused)
    async def void(self, order: str) -> None:
        """Give up what was promised, and give back all that was taken; no money will be taken for this order."""
        ...

    @effect(raises=(PaymentNotFound, RefundTooLarge, RefundRefused))
    async def refund(self, order: str, refund: str, amount: Money | None = None) -> Refund:
        """Give back an amount, or all that is left. `refund` names the refund, so that it is made once."""
        ...

    @effect(raises=PaymentNotFound)
    async def reconcile(self, order: str) -> Payment:
        """Ask the provider for the payment with this order as its reference, and believe it."""
        ...

    @command(post="/payments/webhook", raises=InvalidWebhook, allow="anyone", keyed=False)
    async def handle_webhook(self, payload: str, signature: str) -> None:
        """The provider says that something happened. Late, repeated and reordered messages do no harm."""
        ...

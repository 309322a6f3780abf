"""How what the provider says changes what we know: in whatever order it is said, and however often."""

from __future__ import annotations

from collections.abc import Iterator

from apps.store.money import Money
from apps.store.payments.contract import Payment, PaymentAuthorized, PaymentCaptured, PaymentVoided, Status
from apps.store.payments.provider import Intent
from craton import Event

ORDER: tuple[Status, ...] = (
    "unknown", "requires_confirmation", "requires_action", "processing", "requires_payment_method", "requires_capture",
    "canceled", "succeeded",
)
"""A payment goes through these from left to right, skipping some: we confirm once, so a declined one stays declined."""


def merged(known: Payment, said: Intent) -> Payment:
    """What is known after the provider has said this. Older news change nothing."""
    status = said.status if ORDER.index(said.status) > ORDER.index(known.status) else known.status
    newer = status == said.status
    currency = known.amount.currency
    return Payment(
        order=known.order, reference=known.reference or said.reference, status=status, amount=known.amount,
        captured=Money(max(known.captured.amount, said.captured), currency),
        refunded=Money(max(known.refunded.amount, said.refunded or 0), currency),
        action_url=said.action_url if newer else known.action_url,
        decline_code=said.decline_code if newer else known.decline_code,
    )


def news(before: Payment, after: Payment) -> Iterator[Event]:
    """What happened in between; a step that was skipped has happened, too."""

    def came_to(status: Status) -> bool:
        return ORDER.index(before.status) < ORDER.index(status) <= ORDER.index(after.status)

    if came_to("requires_capture") and after.status != "canceled":
        yield PaymentAuthorized(after.order, after.amount)
    if came_to("succeeded"):
        yield PaymentCaptured(after.order, after.captured)
    if after.status == "canceled" and before.status in ("requires_action", "processing", "requires_capture"):
        yield PaymentVoided(after.order)

"""A payment provider, as the payments module sees it."""

from __future__ import annotations

from typing import Protocol

from apps.store.money import Money
from apps.store.payments.contract import Status
from craton import Value


class Intent(Value):
    """A payment at the provider, as it was when it answered. `order` is the reference that it was made with.

    `refunded` is None where the provider did not say.
    """

    reference: str
    order: str
    status: Status
    amount: Money
    captured: int
    refunded: int | None = None
    action_url: str | None = None
    decline_code: str | None = None


class Notice(Value):
    """Something that the provider told us. `id` is the same when it is told again; `intent` is None for other news."""

    id: str
    intent: Intent | None


class Declined(Exception):
    """The card was not accepted: a final answer. `code` says why, `reference` names the payment at the provider."""

    def __init__(self, code: str, reference: str = "") -> None:
        self.code, self.reference = code, reference
        super().__init__(code)


class Refused(Exception):
    """The provider will not do this: a final answer."""


class Forged(Exception):
    """What claims to come from the provider does not."""


class Provider(Protocol):
    """What payments ask of a provider. `key`: the provider answers the same key the same way, and acts on it once.

    Every method raises OutcomeUnknown where the provider's answer is not known: ask again under the same key.
    """

    async def authorize(self, order: str, amount: Money, token: str, *, key: str) -> Intent:
        """Have money promised. Declined; the status is requires_capture, or requires_action."""
        ...

    async def capture(self, reference: str, *, key: str) -> Intent:
        """Take promised money; where that is not possible, what the payment is."""
        ...

    async def cancel(self, reference: str, *, key: str) -> Intent:
        """Give up promised money; where that is not possible, what the payment is."""
        ...

    async def refund(self, reference: str, amount: Money, refund: str, *, key: str) -> str:
        """Give money back; the provider's name for that. Refused."""
        ...

    async def intent(self, reference: str) -> Intent:
        """A payment as it is now."""
        ...

    async def find(self, order: str) -> Intent | None:
        """The payment that was made with this order as its reference, as far as the provider can find it."""
        ...

    def read(self, payload: str, signature: str) -> Notice:
        """What the provider tells us. Forged."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...

"""Cashier: takes and gives back money, and remembers what the provider said."""

from __future__ import annotations

from typing import Self

import msgspec

from apps.store.money import Money
from apps.store.payments.contract import (
    CardDeclined,
    InvalidWebhook,
    Limit,
    Payment,
    PaymentEnded,
    PaymentNotFound,
    PaymentRefunded,
    Payments,
    Refund,
    RefundRefused,
    RefundTooLarge,
    Status,
)
from apps.store.payments.merging import merged, news
from apps.store.payments.provider import Declined, Forged, Intent, Provider, Refused
from apps.store.payments.records import Records
from apps.store.payments.settings import PaymentSettings
from apps.store.payments.stripe_provider import StripeProvider
from craton import Call, Database, Events, command


class Cashier(Payments):
    """Payments in the database, and their truth at the provider. Every effect may be asked again at any time: it writes
    down what it is about to do, asks the provider under its key, and writes down the answer."""

    def __init__(self, db: Database, events: Events, call: Call, settings: PaymentSettings) -> None:
        self.events, self.call = events, call
        self.records = Records(db)
        self.provider: Provider = StripeProvider(settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.provider.close()

    async def payment(self, order: str) -> Payment:
        found = await self.records.find(order)
        if found is None:
            raise PaymentNotFound(order)
        return found

    async def payments(self, after: str = "", limit: Limit = 100) -> tuple[Payment, ...]:
        return await self.records.following(after, limit=limit)

    async def authorize(self, order: str, amount: Money, token: str) -> Payment:
        known = await self.begin(order, amount)
        if known.status == "canceled":
            raise PaymentEnded(order, known.status)
        try:
            payment = await self.note(order, await self.promise(known, token))
        except Declined as declined:
            payment = await self.end(order, "requires_payment_method", declined.code, declined.reference)
        except Refused:  # the token is none, or was used up
            payment = await self.end(order, "requires_payment_method", "invalid_payment_method", "")
        if payment.status == "requires_payment_method":
            raise CardDeclined(order, payment.decline_code or "card_declined")
        if payment.status == "canceled":
            raise PaymentEnded(order, payment.status)
        return payment

    async def promise(self, known: Payment, token: str) -> Intent:
        """What the provider says of the payment: a new one, or the one that there is."""
        if known.reference:
            return await self.provider.intent(known.reference)
        return await self.provider.authorize(known.order, known.amount, token, key=self.call.key)

    async def capture(self, order: str) -> Payment:
        known = await self.payment(order)
        if known.status != "succeeded":
            known = await self.note(order, await self.provider.capture(known.reference, key=self.call.key))
        if known.status != "succeeded":
            raise PaymentEnded(order, known.status)
        return known

    async def void(self, order: str) -> None:
        known = await self.begin_void(order)
        if known.status == "canceled":
            return
        reference = known.reference or await self.found(order)
        if reference is None:
            await self.end(order, "canceled", None, "")
            return
        after = await self.note(order, await self.provider.cancel(reference, key=self.call.key))
        if after.status == "succeeded":
            await self.give_back(after, await self.begin_refund(order, f"{order}-voided", None))

    async def refund(self, order: str, refund: str, amount: Money | None = None) -> Refund:
        asked = await self.begin_refund(order, refund, amount)
        return await self.give_back(await self.payment(order), asked)

    async def reconcile(self, order: str) -> Payment:
        known = await self.payment(order)
        said = await (self.provider.intent(known.reference) if known.reference else self.provider.find(order))
        return await self.note(order, said) if said else known

    async def handle_webhook(self, payload: str, signature: str) -> None:
        try:
            notice = self.provider.read(payload, signature)
        except Forged:
            raise InvalidWebhook from None
        known = None if notice.intent is None else await self.records.find(notice.intent.order)
        if known is None or notice.intent is None or merged(known, notice.intent) == known:
            return  # mostly the answers to what we asked have told it already: then nothing is written
        if not await self.records.heard(notice.id):
            await self.believe(known, notice.intent)

    async def found(self, order: str) -> str | None:
        """The provider's name for a payment whose answer never reached us."""
        found = await self.provider.find(order)
        return found.reference if found else None

    async def give_back(self, payment: Payment, asked: Refund) -> Refund:
        """Have a refund made that was written down."""
        if asked.reference or asked.amount.amount == 0:
            return asked
        try:
            # the refund's own name is its key: it is made once, whoever asks
            reference = await self.provider.refund(payment.reference, asked.amount, asked.id, key=f"refund-{asked.id}")
        except Refused as error:
            await self.drop_refund(asked.id)
            raise RefundRefused(payment.order, str(error)) from error
        return await self.end_refund(asked.id, reference)

    @command
    async def begin(self, order: str, amount: Money) -> Payment:
        """Write down that money will be asked for; what is known, where it has been."""
        nothing = Money(0, amount.currency)
        return await self.records.find(order) or await self.records.make(
            Payment(order, "", "unknown", amount, nothing, nothing)
        )

    @command
    async def begin_void(self, order: str) -> Payment:
        """What is known; where that is nothing, no money may be asked for any more."""
        nothing = Money(0)
        return await self.records.find(order) or await self.records.make(
            Payment(order, "", "canceled", nothing, nothing, nothing)
        )

    @command
    async def note(self, order: str, said: Intent) -> Payment:
        """Write down what the provider said."""
        return await self.believe(await self.payment(order), said)

    async def believe(self, known: Payment, said: Intent) -> Payment:
        """Write down what is new in what the provider said."""
        after = merged(known, said)
        if after != known:
            await self.records.change(after)
        for event in news(known, after):
            await self.events.publish(event)
        return after

    @command
    async def end(self, order: str, status: Status, code: str | None, reference: str) -> Payment:
        """Write down that nothing was promised."""
        known = await self.payment(order)
        after = msgspec.structs.replace(
            known, status=status, decline_code=code, reference=known.reference or reference
        )
        return await self.records.change(after)

    @command(raises=(PaymentNotFound, RefundTooLarge))
    async def begin_refund(self, order: str, refund: str, amount: Money | None) -> Refund:
        """Write down that money will be given back, if so much is left."""
        if (known := await self.records.refund(refund)) and known[1] != "refused":
            return known[0]
        payment = await self.payment(order)
        _, promised = await self.records.promised(order)
        left = Money(payment.captured.amount - max(promised, payment.refunded.amount), payment.amount.currency)
        wanted, least = (left, 0) if amount is None else (amount, 1)
        if wanted.currency != left.currency or not least <= wanted.amount <= left.amount:
            raise RefundTooLarge(order, left)
        asked = Refund(refund, order, wanted, "")
        return await self.records.ask(asked) if wanted.amount else asked

    @command
    async def end_refund(self, refund: str, reference: str) -> Refund:
        """Write down that money was given back."""
        known = await self.records.refund(refund)
        assert known is not None, f"{refund} was given back, and never asked for"
        asked, state = known
        if state == "done":
            return asked
        await self.records.settle(refund, "done", reference=reference)
        payment, (done, _) = await self.payment(asked.order), await self.records.promised(asked.order)
        refunded = Money(max(done, payment.refunded.amount), payment.amount.currency)
        await self.records.change(msgspec.structs.replace(payment, refunded=refunded))
        await self.events.publish(PaymentRefunded(asked.order, asked.amount))
        return msgspec.structs.replace(asked, reference=reference)

    @command
    async def drop_refund(self, refund: str) -> None:
        """Write down that the provider will not give the money back."""
        await self.records.settle(refund, "refused")

"""NaiveCashier: asks for money without writing that down first, and under a new key each time."""

from __future__ import annotations

from apps.store.money import Money
from apps.store.payments.contract import CardDeclined, Payment
from apps.store.payments.module import Cashier
from apps.store.payments.provider import Declined
from apps.store.payments.settings import PaymentSettings
from craton import Call, Database, Events, Ids


class NaiveCashier(Cashier):
    """An attempt that is repeated after a crash or a time-out charges again: nothing tells the provider what it is."""

    def __init__(self, db: Database, events: Events, call: Call, ids: Ids, settings: PaymentSettings) -> None:
        super().__init__(db, events, call, settings)
        self.ids = ids

    async def authorize(self, order: str, amount: Money, token: str) -> Payment:
        """Charge, then write."""
        try:
            made = await self.provider.authorize(order, amount, token, key=self.ids.new("attempt"))
            taken = await self.provider.capture(made.reference, key=self.ids.new("attempt"))
        except Declined as declined:
            raise CardDeclined(order, declined.code) from None
        await self.begin(order, amount)
        return await self.note(order, taken)

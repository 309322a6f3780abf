"""Payments as rows: the statements of the payments module."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, insert, select, update

from apps.store.money import Money
from apps.store.payments.contract import Payment, Refund
from apps.store.payments.tables import notices, payments, refunds
from craton import Database

BY_ORDER = select(payments).where(payments.c.order_id == bindparam("wanted"))
FOLLOWING = (
    select(payments).where(payments.c.order_id > bindparam("after")).order_by(payments.c.order_id)
    .limit(bindparam("most"))
)
INSERT = insert(payments)
CHANGE = update(payments).where(payments.c.order_id == bindparam("wanted"))
REFUND = select(refunds).where(refunds.c.id == bindparam("wanted"))
REFUNDS = select(refunds).where(refunds.c.order_id == bindparam("wanted"))
INSERT_REFUND = insert(refunds)
END_REFUND = (
    update(refunds).where(refunds.c.id == bindparam("wanted"))
    .values(state=bindparam("to"), reference=bindparam("called"))
)
NOTICE, INSERT_NOTICE = select(notices).where(notices.c.id == bindparam("wanted")), insert(notices)


class Records:
    """Reads and writes payments."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def find(self, order: str) -> Payment | None:
        """The payment of an order."""
        row = (await self.db.execute(BY_ORDER, {"wanted": order})).mappings().first()
        return payment_of(row) if row else None

    async def following(self, after: str, *, limit: int) -> tuple[Payment, ...]:
        """Payments by order."""
        rows = await self.db.execute(FOLLOWING, {"after": after, "most": limit})
        return tuple(payment_of(row) for row in rows.mappings())

    async def make(self, payment: Payment) -> Payment:
        """A new payment."""
        await self.db.execute(INSERT, row_of(payment))
        return payment

    async def change(self, payment: Payment) -> Payment:
        """Another state of a payment."""
        await self.db.execute(CHANGE.values(row_of(payment)), {"wanted": payment.order})
        return payment

    async def refund(self, refund: str) -> tuple[Refund, str] | None:
        """A refund and its state."""
        row = (await self.db.execute(REFUND, {"wanted": refund})).mappings().first()
        return (refund_of(row), row["state"]) if row else None

    async def promised(self, order: str) -> tuple[int, int]:
        """What was given back of a payment, and what it will be when all that was asked for is done."""
        rows = (await self.db.execute(REFUNDS, {"wanted": order})).mappings().all()
        done = sum(row["amount"] for row in rows if row["state"] == "done")
        return done, done + sum(row["amount"] for row in rows if row["state"] == "asked")

    async def ask(self, refund: Refund) -> Refund:
        """A new refund."""
        row = dict(
            id=refund.id, order_id=refund.order, amount=refund.amount.amount, currency=refund.amount.currency,
            reference="", state="asked",
        )
        await self.db.execute(INSERT_REFUND, row)
        return refund

    async def settle(self, refund: str, state: str, *, reference: str = "") -> None:
        """What became of a refund."""
        await self.db.execute(END_REFUND, {"wanted": refund, "to": state, "called": reference})

    async def heard(self, notice: str) -> bool:
        """Whether we were told this before; from now on we were."""
        if (await self.db.execute(NOTICE, {"wanted": notice})).first():
            return True
        await self.db.execute(INSERT_NOTICE, {"id": notice})
        return False


def payment_of(row: Any) -> Payment:
    """A payment as others see it."""
    amount, captured, refunded = (Money(row[part], row["currency"]) for part in ("amount", "captured", "refunded"))
    return Payment(
        row["order_id"], row["reference"], row["status"], amount, captured, refunded, row["action_url"],
        row["decline_code"],
    )


def row_of(payment: Payment) -> dict[str, Any]:
    """A payment as it is stored."""
    return dict(
        order_id=payment.order, reference=payment.reference, status=payment.status, amount=payment.amount.amount,
        currency=payment.amount.currency, captured=payment.captured.amount, refunded=payment.refunded.amount,
        action_url=payment.action_url, decline_code=payment.decline_code,
    )


def refund_of(row: Any) -> Refund:
    """A refund as others see it."""
    return Refund(row["id"], row["order_id"], Money(row["amount"], row["currency"]), row["reference"])

"""Payments: what the provider has said of each, whoever tells it first: its answer, or its webhook."""

from __future__ import annotations

import hmac
import json
import time
from hashlib import sha256

from sqlalchemy import any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from apps.store.payments.tables import notices, payments
from bench.baselines.database import AsyncConnection, texts
from bench.baselines.faults import Fault
from bench.baselines.provider import Intent, intent_of
from bench.baselines.values import Money

STATUSES = ("unknown", "requires_action", "requires_payment_method", "requires_capture", "canceled", "succeeded")
"""A payment goes through these from left to right, skipping some."""
TOLERANCE = 300
"""Seconds for which a webhook's signature is good."""
t = payments.c
BEGIN = insert(payments).values(
    order_id=bindparam("order"), reference="", status="unknown", amount=bindparam("amount"),
    currency=bindparam("currency"), captured=0, refunded=0,
).on_conflict_do_nothing()
NOTE = update(payments).where(t.order_id == bindparam("order"), t.status == any_(texts("before"))).values(
    status=bindparam("now"), reference=bindparam("called"),
    captured=func.greatest(t.captured, bindparam("taken", type_=t.captured.type)),
)
REFERENCE = select(t.reference, t.status).where(t.order_id == bindparam("order"))
HEAR = insert(notices).values(id=bindparam("notice")).on_conflict_do_nothing().returning(notices.c.id)


async def begin(db: AsyncConnection, order: str, total: Money) -> None:
    """Write down that money will be asked for."""
    await db.execute(BEGIN, {"order": order, "amount": total.amount, "currency": total.currency})


async def note(db: AsyncConnection, order: str, said: Intent) -> None:
    """Write down what the provider said, unless something later is known."""
    before = list(STATUSES[:STATUSES.index(said.status)]) if said.status in STATUSES else []
    known = {"order": order, "before": before, "now": said.status, "called": said.reference, "taken": said.captured}
    await db.execute(NOTE, known)


async def reference(db: AsyncConnection, order: str) -> str:
    """The provider's name for a payment."""
    row = (await db.execute(REFERENCE, {"order": order})).first()
    if row is None:
        raise Fault("PaymentNotFound", 404)
    return str(row.reference)


async def hear(db: AsyncConnection, payload: bytes, signature: str, secret: str) -> None:
    """A webhook, once for each notice. In a transaction."""
    verify(payload, signature, secret)
    event = json.loads(payload)
    found = event["data"]["object"]
    if (await db.execute(HEAR, {"notice": event["id"]})).first() and found["object"] == "payment_intent":
        said = intent_of(found)
        await note(db, said.order, said)


def verify(payload: bytes, signature: str, secret: str) -> None:
    """Refuse what is not signed by the provider."""
    parts = {name: text for name, _, text in (part.partition("=") for part in signature.split(","))}
    at, given = parts.get("t", ""), parts.get("v1", "")
    right = hmac.new(secret.encode(), at.encode() + b"." + payload, sha256).hexdigest()
    if not (at.isdecimal() and hmac.compare_digest(right, given) and abs(time.time() - int(at)) <= TOLERANCE):
        raise Fault("InvalidWebhook", 400)

"""Notifications: a message about each paid order, written down with it, and sent (here: into a folder) afterwards."""

from __future__ import annotations

import asyncio
import os
from email.message import EmailMessage
from pathlib import Path

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from apps.store.notifications.tables import messages
from bench.baselines.database import AsyncConnection, Database
from bench.baselines.values import Money, Paid

WRITE = insert(messages).values(
    id=bindparam("message"), kind="paid", recipient=bindparam("to"), about=bindparam("order"), state="waiting",
    reason="", written=bindparam("at"),
).on_conflict_do_nothing()
SENT = update(messages).where(messages.c.id == bindparam("message")).values(state="sent")


async def write(db: AsyncConnection, paid: Paid) -> None:
    """Note that the customer is to be told. Its id is the order's: it is noted once."""
    row = dict(message=f"message-{paid.order}", to=paid.email, order=paid.order, at=paid.at)
    await db.execute(WRITE, row)


async def send(database: Database, folder: Path, paid: Paid) -> None:
    """Send the message, off the event loop, and note that it was sent."""
    name = f"message-{paid.order}"
    await asyncio.to_thread(deliver, mail_of(paid, name), folder / f"{name}.eml")
    async with database.reading() as db:
        await db.execute(SENT, {"message": name})


def deliver(mail: EmailMessage, file: Path) -> None:
    """Write a file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_bytes(mail.as_bytes())
    draft.replace(file)


def mail_of(paid: Paid, name: str) -> EmailMessage:
    """The e-mail, as text and as HTML."""
    mail = EmailMessage()
    mail["To"], mail["From"], mail["Message-ID"] = paid.email, "shop@store.example", f"<{name}@store.example>"
    mail["Subject"] = f"Your order {paid.order}"
    first = f"Thank you for your order {paid.order}. We have received {written(paid.total)}."
    lines = [f"{one.quantity} x {one.name}, {written(one.unit_price)} each" for one in paid.lines]
    mail.set_content("\n\n".join([first, *lines]) + "\n")
    rows = "".join(f"<li>{line}</li>" for line in lines)
    mail.add_alternative(f"<html><body><p>{first}</p><ul>{rows}</ul></body></html>\n", subtype="html")
    return mail


def written(money: Money) -> str:
    """An amount for people."""
    return f"{money.amount // 100}.{money.amount % 100:02} {money.currency}"

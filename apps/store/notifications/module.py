"""Postman: tells people by e-mail, and goes on trying."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import and_, bindparam, insert, or_, select, update

from apps.store.inventory.contract import StockLow
from apps.store.moments import read_cursor, write_cursor
from apps.store.notifications import notices
from apps.store.notifications.contract import Limit, Message, MessagePage, Notifications, State
from apps.store.notifications.notices import Notice
from apps.store.notifications.post import Away, Refused, post_of
from apps.store.notifications.settings import NotificationSettings
from apps.store.notifications.tables import messages
from apps.store.orders.events import OrderCancelled, OrderPaid, OrderRefunded, OrderShipped
from craton import Clock, Database, Fault, Offload, Saga, command, effect

log = logging.getLogger("store.notifications")
LONGEST = 600.0
"""Seconds until a message is sent again at most."""
AT_ONCE = 2
"""Messages on their way at the same time, on threads of their own: a mail server that hangs leaves others theirs."""
m = messages.c
LATEST = select(messages).order_by(m.written.desc(), m.id.desc())
INSERT = insert(messages)
SETTLE = update(messages).where(m.id == bindparam("wanted")).values(state=bindparam("to"), reason=bindparam("why"))


class Undeliverable(Fault, status=422):
    """The mail server will never take this message."""

    reason: str


class Postman(Notifications):
    """A saga for each message: it is durable before the event counts as delivered, and waits for the mail server
    without holding up any other."""

    def __init__(self, db: Database, saga: Saga, clock: Clock, settings: NotificationSettings) -> None:
        self.db, self.saga, self.clock, self.settings = db, saga, clock, settings
        self.post, self.offload = post_of(settings), Offload(AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.offload.close()

    async def messages(self, about: str | None = None, limit: Limit = 50, cursor: str | None = None) -> MessagePage:
        statement = LATEST.limit(limit + 1)
        if about is not None:
            statement = statement.where(m.about == about)
        if cursor:
            last = read_cursor(cursor)
            statement = statement.where(or_(m.written < last.at, and_(m.written == last.at, m.id < last.id)))
        found = tuple(message_of(row) for row in (await self.db.execute(statement)).mappings())
        end = found[limit - 1] if len(found) > limit else None
        return MessagePage(found[:limit], write_cursor(end.written, end.id) if end else None)

    async def thank(self, event: OrderPaid) -> None:
        await self.tell(notices.paid(self.saga.id("message"), event))

    async def announce(self, event: OrderShipped) -> None:
        await self.tell(notices.shipped(self.saga.id("message"), event))

    async def regret(self, event: OrderCancelled) -> None:
        if event.refunded.amount:
            await self.tell(notices.cancelled(self.saga.id("message"), event))

    async def reimburse(self, event: OrderRefunded) -> None:
        await self.tell(notices.refunded(self.saga.id("message"), event))

    async def warn(self, event: StockLow) -> None:
        await self.tell(notices.stock_low(self.saga.id("message"), event, self.settings.admin))

    async def tell(self, notice: Notice) -> None:
        """Write a message down, and send it as soon as that is possible."""
        saga, pause = self.saga, self.settings.pause
        await saga.step(self.write, notice)
        try:
            while not await saga.step(self.send, notice):
                await saga.sleep(pause)
                pause = min(2 * pause, LONGEST)
        except Undeliverable as fault:
            await saga.step(self.settle, notice.id, "refused", fault.reason)
        else:
            await saga.step(self.settle, notice.id, "sent", "")

    @effect(raises=Undeliverable)
    async def send(self, notice: Notice) -> bool:
        """Send a message; False where it must be tried again. Sent again, it has the same Message-ID."""
        try:
            mail = notices.mail_of(notice, sender=self.settings.sender)
            await self.offload(self.post.send, mail, notice.id)
        except Away as error:
            log.warning("%s is to be sent again: %s", notice.id, error)
            return False
        except (Refused, ValueError) as error:
            log.error("%s cannot be sent to %s: %s", notice.id, notice.to, error)
            raise Undeliverable(str(error)) from error
        return True

    @command
    async def write(self, notice: Notice) -> None:
        """Write a message down, before it is sent."""
        await self.db.execute(INSERT, dict(
            id=notice.id, kind=notice.kind, recipient=notice.to, about=notice.about, state="waiting", reason="",
            written=self.clock.now().timestamp(),
        ))

    @command
    async def settle(self, message: str, state: State, reason: str) -> None:
        """Write down what became of a message."""
        await self.db.execute(SETTLE, {"wanted": message, "to": state, "why": reason})


def message_of(row: Any) -> Message:
    """A message as others see it."""
    written = datetime.fromtimestamp(row["written"], UTC)
    return Message(row["id"], row["kind"], row["recipient"], row["about"], row["state"], written, row["reason"])

"""Cleaning: what was sent and what was answered is forgotten after a while, in small pieces, oldest first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import takewhile
from typing import Any

from sqlalchemy import Delete, Float, bindparam, delete, select

from craton.calls.context import CONTEXT, Context
from craton.data.store import Store, Unit, transact
from craton.data.tables import tables_of
from craton.errors import SettingsError
from craton.messages.told import Told

PAUSE = 600.0
"""Seconds between two looks for what is old enough."""
PIECE = 500
"""Rows that are removed at once."""
VARIABLE = "CRATON_RETENTION_DAYS"


def retention_of(environ: Mapping[str, str]) -> float:
    """The seconds of retention that these variables ask for."""
    text = environ.get(VARIABLE, "14")
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days < 36500:
        raise SettingsError(f"{VARIABLE} is {text!r}: write a number of days, such as 14.")
    return days * 86400.0


class Cleaner:
    """Cleans the outbox and the inbox of one module: what is older than `retention` seconds, but for events of
    event-sourced streams, which stay for ever.

    The outbox is gone through by its primary key, from the first event that is not sent yet up to the first that is too
    young, so that what stays for ever is passed once; the inbox by its index of times. `first` cleans what goes with
    the keys in the inbox: a piece, and says how much.
    """

    def __init__(
        self, store: Store, module: str, *, retention: float, first: Callable[[], Awaitable[int]] | None = None
    ) -> None:
        self.store, self.module, self.retention, self.first = store, module, retention, first
        self.told, self.after = Told(f"{module}: old events could not be removed"), 0
        tables = tables_of(module)
        o, i = tables.outbox, tables.inbox
        old = store.moment - bindparam("retention", type_=Float)
        self.next = select(o.c.position, o.c.status, o.c.place, (o.c.created < old).label("old")).where(
            o.c.position > bindparam("after")
        ).order_by(o.c.position).limit(PIECE)
        self.answered = select(i.c.key).where(i.c.created < old, i.c.status != "running").limit(PIECE)
        self.drop_sent = delete(o).where(o.c.position.in_(bindparam("found", expanding=True)))
        self.drop_answered = delete(i).where(i.c.key.in_(bindparam("found", expanding=True)))

    async def tend(self) -> None:
        """For ever: clean now and then."""
        CONTEXT.set(Context())
        while True:
            await asyncio.sleep(PAUSE)
            try:
                await self.clean()
                self.told.good()
            except Exception as error:  # the database may be away for a while
                self.told.bad(error)

    async def clean(self) -> None:
        """Remove all that is old enough."""
        await self.clean_outbox()
        left = True
        while left:
            before = await self.first() if self.first else 0
            left = bool(before + await self.clean_inbox())

    async def clean_outbox(self) -> None:
        """All of the outbox that is old enough, in pieces."""
        after, passed, left = self.after, True, True
        while left:
            rows = (await self.store.read(self.module, self.next, {"after": after, "retention": self.retention})).all()
            old = list(takewhile(lambda row: row.old, rows))
            gone = [row.position for row in old if row.status == "sent" and row.place is None]
            await self.remove(self.drop_sent, gone)
            passed = passed and all(row.status == "sent" for row in old)
            after, left = (old[-1].position if old else after), len(old) == len(rows) > 0
            self.after = after if passed else self.after

    async def clean_inbox(self) -> int:
        """One piece of the inbox; how much that was."""
        found = (await self.store.read(self.module, self.answered, {"retention": self.retention})).scalars().all()
        await self.remove(self.drop_answered, list(found))
        return len(found)

    async def remove(self, statement: Delete, found: list[Any]) -> None:
        """Remove these."""

        async def body(unit: Unit) -> None:
            await unit.execute(self.module, statement, {"found": found})

        if found:
            await transact(self.store, self.module, body)

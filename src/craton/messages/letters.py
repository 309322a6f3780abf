"""Letters: events that a subscriber has received and could not apply; tried again, and at last left to a person."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal

from sqlalchemy import Float, and_, bindparam, delete, exists, func, select, update

from craton.calls.context import CONTEXT, Context
from craton.calls.retry import Backoff, worth_retrying
from craton.data.inbox import Inbox
from craton.data.store import Store, Unit, transact
from craton.data.tables import tables_of
from craton.errors import CallError
from craton.messages.subscriber import Subscriber, Unreadable, in_time, key_of
from craton.messages.told import Told, log
from craton.messages.transport import Message
from craton.values import Value

FIRST, MOST = 0.2, 60.0
"""Seconds until a letter is tried again: at first, and at most."""
ATTEMPTS = 10
"""Tries after which a letter is parked. What fails only since another service is away is tried for ever."""
POLL, SELDOM = 1.0, 8.0
"""Seconds between two looks for letters that are due: after there was one, and at most, since each look that finds
nothing doubles them."""
ATTEMPT = 30.0
"""Seconds after which another process makes the next try, if this one ends without a word."""
MANY = 100
"""Letters that are read at once."""


class Letter(Value):
    """One event at one subscriber. `body` is JSON; times are seconds since 1970."""

    id: str
    subscriber: str
    source: str
    stream: str
    sequence: int
    type: str
    version: int
    status: Literal["retrying", "waiting", "parked", "unknown"]
    attempts: int
    error: str
    created: float
    due: float
    body: str


class LetterPage(Value):
    """The oldest letters, and how many there are."""

    letters: tuple[Letter, ...]
    count: int


class Letters:
    """The letters of one module. Of each stream, one is tried again, and those after it wait for it."""

    def __init__(self, store: Store, module: str, *, inbox: Inbox, subscribers: Sequence[Subscriber]) -> None:
        self.store, self.module, self.inbox, self.subscribers = store, module, inbox, subscribers
        self.stopping = False
        self.signal, self.trouble = asyncio.Event(), Told(f"{module}: letters could not be looked after")
        tables = tables_of(module)
        self.table, self.cursor = tables.letter, tables.cursor
        self.insert = store.insert(t := self.table).values(
            created=store.moment, due=store.moment + FIRST, attempts=bindparam("tried")
        ).on_conflict_do_nothing(index_elements=["id"])
        self.stream = and_(
            t.c.subscriber == bindparam("who"), t.c.source == bindparam("from_"), t.c.stream == bindparam("of")
        )
        self.select = select(*(t.c[name] for name in Letter.__struct_fields__))

    # ------------------------------------------------------------------ for the receiver

    async def holds(self, id: str) -> bool:
        """Whether there is this letter."""
        query = select(exists().where(self.table.c.id == id))
        return bool((await self.store.read(self.module, query)).scalar_one())

    async def behind(self, unit: Unit, message: Message, subscriber: str) -> bool:
        """Whether letters of its stream come before a message at a subscriber."""
        if not message.sequence:
            return False
        query = select(exists().where(self.stream, self.table.c.sequence < message.sequence))
        where = {"who": subscriber, "from_": message.source, "of": message.stream}
        return bool((await unit.execute(self.module, query, where)).scalar_one())

    async def put(self, unit: Unit, message: Message, subscriber: str, *, status: str, error: str) -> None:
        """A new letter, unless it is there; its stream is then gone through with care."""
        row = dict(
            id=key_of(message, subscriber), message=message.id, subscriber=subscriber, source=message.source,
            stream=message.stream, sequence=message.sequence, type=message.type, version=message.version,
            body=message.body, trace=message.trace, status=status, error=error,
            tried=int(status == "retrying"),
        )
        if (await unit.execute(self.module, self.insert, row)).rowcount and message.sequence:
            first = self.store.insert(c := self.cursor).values(
                source=message.source, stream=message.stream, latest=0, letters=1
            )
            more = first.on_conflict_do_update(index_elements=["source", "stream"], set_=dict(letters=c.c.letters + 1))
            await unit.execute(self.module, more)
        unit.after.add(self.signal.set)
        log.warning("%s: letter %s is %s: %s", self.module, row["id"], status, error or "others come before it")

    def told(self, message: Message, error: Exception) -> str:
        """The error of a handler, which is logged here in full."""
        cause = error.__cause__ or error
        log.error("%s: %s (%s) broke", error, message.id, message.type, exc_info=cause)
        return f"{type(cause).__name__}: {cause}"

    # ------------------------------------------------------------------ trying again

    async def tend(self) -> None:
        """For ever: try again what is due."""
        CONTEXT.set(Context())
        fresh, looks = True, Backoff(first=POLL, most=SELDOM)
        while not self.stopping:
            if self.signal.is_set():
                looks.tries = 0
            self.signal.clear()
            try:
                if fresh:
                    await self.reread()
                    fresh = False
                while not self.stopping and await self.retry_due():
                    looks.tries = 0
                self.trouble.good()
            except Exception as error:  # the database may be away for a while
                self.trouble.bad(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(looks.pause()):
                    await self.signal.wait()

    def stop(self) -> None:
        """End after the letter in hand."""
        self.stopping = True
        self.signal.set()

    async def reread(self) -> None:
        """This code may know what older code did not."""
        t = self.table
        again = update(t).where(t.c.status == "unknown").values(status="retrying", due=0.0)
        await transact(self.store, self.module, lambda unit: unit.execute(self.module, again))

    async def retry_due(self) -> int:
        """Try all that is due, one after another; how many there were."""
        t = self.table
        query = select(t).where(t.c.status == "retrying", t.c.due <= self.store.moment).order_by(t.c.due).limit(MANY)
        found = (await self.store.read(self.module, query)).mappings().all()
        for row in found:
            if await self.claim(row):
                await self.attempt(row)
        return len(found)

    async def claim(self, row: Any) -> bool:
        """Whether no other process tries it meanwhile."""
        t = self.table
        mine = update(t).where(t.c.id == row["id"], t.c.status == "retrying", t.c.due == row["due"])
        claimed = mine.values(due=self.store.moment + ATTEMPT)
        done = await transact(self.store, self.module, lambda unit: unit.execute(self.module, claimed))
        return bool(done.rowcount)

    async def attempt(self, row: Any) -> None:
        """Try one again."""
        message = Message(
            row["message"], row["source"], row["stream"], row["sequence"], row["type"], row["version"], row["body"],
            row["trace"], row["created"],
        )
        known = [s for s in self.subscribers if row["type"] in s.events]
        meant = [s for s in known if row["subscriber"] in (s.name, self.module)]
        try:
            if not meant:
                raise Unreadable(f"no handler of {self.module} knows {row['type']}")
            for i, subscriber in enumerate(meant, 1):
                last = row if i == len(meant) else None
                await in_time(transact(self.store, self.module, partial(self.apply, message, subscriber, last)))
            log.info("%s: letter %s is applied", self.module, row["id"])
        except Unreadable as error:
            await self.change(row["id"], status="unknown", error=str(error))
        except Exception as error:
            await self.fail(row, message, error)

    async def apply(self, message: Message, subscriber: Subscriber, row: Any, unit: Unit) -> None:
        """Inbox, handler, and the letter, if it is given, is gone."""
        if await self.inbox.once(unit, key_of(message, subscriber.name), subscriber.name):
            await subscriber.run(unit, message)
        if row is not None:
            await self.remove(unit, row)

    async def remove(self, unit: Unit, row: Any) -> None:
        """Take a letter away, and let the next one of its stream be tried."""
        t, c = self.table, self.cursor
        if not (await unit.execute(self.module, delete(t).where(t.c.id == row["id"]))).rowcount or not row["sequence"]:
            return
        where = {"who": row["subscriber"], "from_": row["source"], "of": row["stream"]}
        query = select(t.c.id).where(self.stream).order_by(t.c.sequence).limit(1)
        following = (await unit.execute(self.module, query, where)).scalar()
        if following is not None:
            on = update(t).where(t.c.id == following, t.c.status == "waiting").values(status="retrying", due=0.0)
            await unit.execute(self.module, on)
        fewer = update(c).where(c.c.source == row["source"], c.c.stream == row["stream"])
        await unit.execute(self.module, fewer.values(letters=c.c.letters - 1))

    async def fail(self, row: Any, message: Message, error: Exception) -> None:
        """It broke again: later once more, or never, unless a person says so."""
        attempts, cause = row["attempts"] + 1, error.__cause__ or error
        away = isinstance(cause, CallError) and worth_retrying(cause)
        status = "retrying" if attempts < ATTEMPTS or away else "parked"
        wait = min(MOST, FIRST * 2.0 ** min(row["attempts"], 20))
        if status == "parked":
            log.error("%s: letter %s is parked after %d tries", self.module, row["id"], attempts)
        await self.change(row["id"], status=status, error=self.told(message, error), attempts=attempts, wait=wait)

    async def change(self, id: str, *, wait: float = 0.0, **values: Any) -> bool:
        """Other values in a letter; False where it is gone."""
        due = self.store.moment + bindparam("wait", type_=Float)
        statement = update(self.table).where(self.table.c.id == id).values(**values, due=due)
        done = await transact(
            self.store, self.module, lambda unit: unit.execute(self.module, statement, {"wait": wait})
        )
        return bool(done.rowcount)

    # ------------------------------------------------------------------ for people

    async def page(self, *, status: str, limit: int) -> LetterPage:
        """The letters of a status, or of any (""), as far as they are asked for, and how many there are."""
        counts = await self.count()
        count = counts.get(status, 0) if status else sum(counts.values())
        return LetterPage(await self.list(status=status, limit=limit), count)

    async def list(self, *, status: str = "", limit: int = MANY) -> tuple[Letter, ...]:
        """The letters, oldest first."""
        t = self.table
        which = self.select.where(t.c.status == status) if status else self.select
        query = which.order_by(t.c.created, t.c.id).limit(limit)
        return tuple(Letter(*row) for row in (await self.store.read(self.module, query)).all())

    async def show(self, id: str) -> Letter | None:
        """One letter."""
        row = (await self.store.read(self.module, self.select.where(self.table.c.id == id))).first()
        return None if row is None else Letter(*row)

    async def retry(self, id: str) -> bool:
        """Try one again now, and as often as a new one; False where there is none, or it waits behind another."""
        letter = await self.show(id)
        if letter is None or letter.status == "waiting":
            return False
        done = await self.change(id, status="retrying", attempts=0)
        self.signal.set()
        return done

    async def discard(self, id: str) -> bool:
        """Never apply one; those that waited for it go on. False where there is none."""
        t = self.table
        row = (await self.store.read(self.module, select(t).where(t.c.id == id))).mappings().first()
        if row is None:
            return False

        async def body(unit: Unit) -> None:
            await self.inbox.once(unit, id, f"{row['subscriber']} (discarded)")
            await self.remove(unit, row)

        await transact(self.store, self.module, body)
        self.signal.set()
        log.warning("%s: letter %s is discarded", self.module, id)
        return True

    async def count(self) -> dict[str, int]:
        """How many there are, by status."""
        t = self.table
        query = select(t.c.status, func.count()).group_by(t.c.status)
        return {status: count for status, count in (await self.store.read(self.module, query)).all()}

"""The receiver: applies the events that come for a module, each once, in the order of its stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import BigInteger, and_, bindparam, select

from craton.data.inbox import Inbox
from craton.data.store import Conflict, Store, Unit, run, transact
from craton.data.tables import tables_of
from craton.failpoints import reach
from craton.messages.letters import Letters
from craton.messages.subscriber import Broken, Subscriber, Unreadable, in_time, key_of
from craton.messages.told import Told, log
from craton.messages.transport import LATER, TAKEN, Message, Verdict

BUDGET = 10.0
"""Seconds that one batch may take; what is left then is to be sent again."""
MOST = 16
"""Messages that are applied in one transaction at most."""


class Receiver:
    """The receiver of one module in one process.

    On the plain way, one transaction moves the cursor on, notes the message in the inbox and runs the one handler, and
    searches nothing. All else goes the careful way, handler by handler.
    """

    def __init__(
        self, store: Store, module: str,
        *, inbox: Inbox, subscribers: Sequence[Subscriber], letters: Letters, retention: float,
    ) -> None:
        self.store, self.module, self.inbox, self.letters = store, module, inbox, letters
        self.subscribers, self.retention = subscribers, retention
        self.told, self.floor, self.most = Told(f"{module}: events could not be taken"), 0.0, MOST
        c = tables_of(module).cursor
        number = bindparam("number", type_=BigInteger)
        step = store.insert(c).values(latest=bindparam("first", type_=BigInteger), letters=0).on_conflict_do_update(
            index_elements=["source", "stream"], set_=dict(latest=number),
            where=and_(c.c.latest == number - 1, c.c.letters == 0),
        )
        self.step = step.returning(c.c.latest)  # it searches nothing: see Inbox
        skip = store.insert(c).values(letters=0)
        self.move = skip.on_conflict_do_update(
            index_elements=["source", "stream"], set_=dict(latest=skip.excluded.latest),
            where=c.c.latest < skip.excluded.latest,
        )
        here = and_(c.c.source == bindparam("from_"), c.c.stream == bindparam("of"))
        self.look = select(c.c.latest).where(here)

    async def receive(self, batch: Sequence[Message]) -> list[Verdict]:
        """Take messages: those of one stream in order, streams side by side. Never raises but for cancellation."""
        await self.note_time(batch)
        until, verdicts = asyncio.get_running_loop().time() + BUDGET, dict[int, Verdict]()
        bundles = bundled(batch, self.most)
        if len(bundles) == 1:
            await self.follow(batch, bundles[0], verdicts, until=until)
        else:
            await asyncio.gather(*(self.follow(batch, bundle, verdicts, until=until) for bundle in bundles))
        return [verdicts.get(i, LATER) for i in range(len(batch))]

    async def follow(
        self, batch: Sequence[Message], bundle: Sequence[int], verdicts: dict[int, Verdict], *, until: float
    ) -> None:
        """Take some messages one after another: several in one transaction, where all goes the plain way."""
        stuck, most, loop = dict[tuple[str, str], Verdict](), self.most, asyncio.get_running_loop()
        for start in range(0, len(bundle), most):
            piece = [i for i in bundle[start:start + most] if line_of(batch[i]) not in stuck]
            if len(piece) > 1 and await self.together([batch[i] for i in piece]):
                verdicts |= dict.fromkeys(piece, TAKEN)
                piece = []
            for i in piece:
                line = line_of(batch[i])
                verdicts[i] = stuck.get(line) or await self.take(batch[i])
                if verdicts[i].status != "taken":
                    stuck[line] = verdicts[i]
                if loop.time() > until:
                    return
            if loop.time() > until:
                return

    async def together(self, messages: Sequence[Message]) -> bool:
        """Apply several messages in one transaction; False where one of them needs more care: then none is applied.

        How many that are follows from what other work lets pass, as with PostgreSQL's gate.
        """
        meant = [self.who(message) for message in messages]
        if any(len(found) != 1 for found in meant) or not all(map(self.known, messages)):
            return False

        async def body(unit: Unit) -> None:
            for message, (subscriber,) in zip(messages, meant, strict=True):
                if not await self.next(unit, message, subscriber):
                    raise Unreadable(message.id)

        try:
            reach("C1")
            await in_time(run(self.store.unit(self.module), body))
            reach("C5")
        except Conflict:
            self.most = max(2, self.most // 2)
            return False
        except Exception:  # one by one it will be seen whose it is
            return False
        self.most = min(MOST, self.most + 1)
        return True

    def known(self, message: Message) -> bool:
        """Whether it is sure to be known if it was applied."""
        return bool(message.sequence) or message.created > self.floor

    async def take(self, message: Message) -> Verdict:
        """Take one. What cannot be written down, since the database is away, is to be sent again."""
        found, broken = self.who(message), None
        try:
            try:
                if len(found) == 1 and self.known(message) and await in_time(self.plainly(message, found[0])):
                    return self.taken()
            except (Broken, Unreadable) as error:
                broken = error
            verdict = await self.carefully(message, broken)
        except Exception as error:
            self.told.bad(error)
            return LATER
        return self.taken() if verdict is TAKEN else verdict

    def taken(self) -> Verdict:
        """It went well."""
        self.told.good()
        return TAKEN

    async def note_time(self, batch: Sequence[Message]) -> None:
        """How old a message without a number may be: of one that has a number, that tells more."""
        if not all(message.sequence for message in batch):
            try:
                self.floor = await self.store.now() - self.retention
            except Exception as error:
                self.told.bad(error)

    def who(self, message: Message) -> list[Subscriber]:
        """The subscribers that know a message's type."""
        return [subscriber for subscriber in self.subscribers if message.type in subscriber.events]

    # ------------------------------------------------------------------ the plain way

    async def plainly(self, message: Message, subscriber: Subscriber) -> bool:
        """Apply it in one transaction; False where it is not the next of its stream, or its stream has letters."""
        reach("C1")
        applied = await transact(self.store, self.module, lambda unit: self.next(unit, message, subscriber))
        reach("C5")
        return applied

    async def next(self, unit: Unit, message: Message, subscriber: Subscriber) -> bool:
        """Cursor, inbox, handler."""
        if message.sequence and not await self.go_on(unit, message):
            return False
        if await self.inbox.once(unit, key_of(message, subscriber.name), subscriber.name):
            await subscriber.run(unit, message)
        reach("C4")
        return True

    async def go_on(self, unit: Unit, message: Message) -> bool:
        """Move the cursor to the next message; False where this is not it, or letters of its stream are kept."""
        number = message.sequence
        row = {"source": message.source, "stream": message.stream, "number": number, "first": int(number == 1)}
        return (await unit.execute(self.module, self.step, row)).scalar() == number

    # ------------------------------------------------------------------ the careful way

    async def carefully(self, message: Message, broken: Exception | None) -> Verdict:
        """Apply it handler by handler, and move the cursor on when each has it, if only as a letter."""
        latest = await self.latest(message)
        if message.sequence > latest + 1 and not message.gap:
            return Verdict("early", latest + 1)
        why = await self.doubt(message, latest)
        for subscriber in self.who(message):
            await self.give(message, subscriber, why=why, broken=broken, again=0 < message.sequence <= latest)
        if not self.who(message):
            error = f"no handler of {self.module} knows {message.type}"
            await self.keep(message, self.module, status="unknown", error=error)
        if message.sequence > latest:
            row = {"source": message.source, "stream": message.stream, "latest": message.sequence}
            await transact(self.store, self.module, lambda unit: unit.execute(self.module, self.move, row))
        return TAKEN

    async def latest(self, message: Message) -> int:
        """The number of the latest message of a stream."""
        where = {"from_": message.source, "of": message.stream}
        return (await self.store.read(self.module, self.look, where)).scalar() or 0

    async def doubt(self, message: Message, latest: int) -> str:
        """Why a person must look before a message is applied; "" where nobody must."""
        if message.sequence > latest + 1:
            return f"events {latest + 1} to {message.sequence - 1} of {message.stream}, which come before it, are lost"
        if message.sequence <= latest and await self.store.now() - message.created > self.retention:
            return "it is older than what the inbox remembers: it may have been applied"
        return ""

    async def give(  # what is known of a message is handed on as it is
        self, message: Message, subscriber: Subscriber, *, why: str, broken: Exception | None, again: bool
    ) -> None:
        """Let one handler apply a message; it becomes a letter where it cannot, or must wait behind another letter."""
        key = key_of(message, subscriber.name)
        if await self.inbox.look(key) is not None or await self.letters.holds(key):
            return
        if again:
            log.error("%s: %s has sent %s number %d before, as another event: was it restored from a backup?",
                      self.module, message.source, message.stream, message.sequence)
        if why:
            return await self.keep(message, subscriber.name, status="parked", error=why)
        try:
            if broken is not None:
                raise broken
            await in_time(transact(self.store, self.module, lambda unit: self.apply(unit, message, subscriber)))
        except Unreadable as error:
            await self.keep(message, subscriber.name, status="unknown", error=str(error))
        except Broken as error:
            await self.keep(message, subscriber.name, status="retrying", error=self.letters.told(message, error))

    async def apply(self, unit: Unit, message: Message, subscriber: Subscriber) -> None:
        """Inbox and handler; or a letter, behind others."""
        if await self.letters.behind(unit, message, subscriber.name):
            await self.letters.put(unit, message, subscriber.name, status="waiting", error="")
        elif await self.inbox.once(unit, key_of(message, subscriber.name), subscriber.name):
            await subscriber.run(unit, message)

    async def keep(self, message: Message, subscriber: str, *, status: str, error: str) -> None:
        """Make it a letter; one that follows others of its stream waits behind them."""

        async def body(unit: Unit) -> None:
            behind = await self.letters.behind(unit, message, subscriber)
            await self.letters.put(unit, message, subscriber, status="waiting" if behind else status, error=error)

        await transact(self.store, self.module, body)


def line_of(message: Message) -> tuple[str, str]:
    """Those messages have it in common that must be applied in their order."""
    return (message.source, message.stream or message.id)


def bundled(batch: Sequence[Message], most: int) -> list[list[int]]:
    """A batch in bundles that can be taken side by side: all of a stream is in one, and short streams share one."""
    lines: dict[tuple[str, str], list[int]] = {}
    for i, message in enumerate(batch):
        lines.setdefault(line_of(message), []).append(i)
    found: list[list[int]] = [[]]
    for line in lines.values():
        if found[-1] and len(found[-1]) + len(line) > most:
            found.append([])
        found[-1] += line
    return found

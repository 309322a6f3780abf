"""Effects: the outside world is asked between two transactions, never inside one: intent row, call, result row.

A saga that shares the effect's database writes both rows itself, with its journal: they cost no commits of their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, or_, true

from craton.calls import codec
from craton.calls.context import CONTEXT, Context
from craton.contract import Method
from craton.data.inbox import DONE, Answer, Inbox, Keyed, answer_of
from craton.data.store import Store, Unit, transact
from craton.errors import OutcomeUnknown, StillRunning
from craton.failpoints import reach
from craton.sources import Ids
from craton.values import Fault

log = logging.getLogger("craton.effects")
LONGEST = 30.0
"""Seconds that one attempt may take."""
MARGIN = 5.0
"""Seconds that it has after its deadline to write its result; then another process may make the next."""


@dataclass(slots=True)
class Intent:
    """The intent of one call, written by a saga, which writes the result, too, as long as it waits. The outside may be
    asked until `deadline`, by the event loop's clock."""

    effect: Effect
    call: Keyed
    deadline: float
    waited_for: bool = True

    async def finish(self, unit: Unit, answer: Answer) -> None:
        """Write the result, in the saga's transaction."""
        unit.module = self.effect.module
        await self.effect.inbox.finish_later(unit, self.call, answer)


class Effect:
    """One effect of a module. What is asked twice under one key runs once at a time, and is answered once."""

    def __init__(
        self, name: str, method: Method, body: Callable[[msgspec.Struct], Awaitable[Any]],
        *, store: Store, module: str, inbox: Inbox, settle: Settling, ids: Ids, owner: str,
    ) -> None:
        self.name, self.method, self.body = name, method, body
        self.store, self.module, self.inbox = store, module, inbox
        self.settle, self.ids, self.owner = settle, ids, owner
        self.running: dict[str, asyncio.Task[Answer]] = {}
        self.intents: dict[str, Intent] = {}
        settle.effects[name] = self

    async def ask(self, arguments: msgspec.Struct, *, key: str | None = None, undoes: str | None = None) -> Any:
        """The effect's answer. OutcomeUnknown where the outside did not say: ask again under the same key."""
        call = Keyed.of(self.name, self.method, arguments, key or self.ids.new("effect"), undoes)
        answer = await self.attend(call, arguments, CONTEXT.get())
        return answer.give(self.method, self.name)

    async def intend(self, unit: Unit, arguments: msgspec.Struct, *, key: str, seconds: float) -> Intent:
        """Write the intent in a saga's transaction. Once that is durable, the effect is to be asked under this key,
        within so many seconds."""
        call = Keyed.of(self.name, self.method, arguments, key, None)
        intent = Intent(self, call, asyncio.get_running_loop().time() + seconds)
        unit.module = self.module
        await self.inbox.intend(unit, call, owner=self.owner, seconds=seconds + MARGIN)
        unit.after.add(lambda: self.intents.update({key: intent}))
        return intent

    async def attend(self, call: Keyed, arguments: msgspec.Struct, now: Context) -> Answer:
        """Join the attempt that runs under this key, or start one. A caller who goes away leaves it running."""
        task = self.running.get(call.key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self.attempt(call, arguments, now), name=call.key)
            self.running[call.key] = task
            task.add_done_callback(lambda t: self.finished(call.key, t))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if (intent := self.intents.get(call.key)) is not None:
                intent.waited_for = False
            me = asyncio.current_task()
            if not task.cancelled() or (me is not None and me.cancelling()):
                raise
            raise OutcomeUnknown(f"{self.name} was broken off: its service stops.") from None

    def finished(self, key: str, task: asyncio.Task[Answer]) -> None:
        """Forget an attempt; its error, if any, has been given to those who waited."""
        del self.running[key]
        self.intents.pop(key, None)
        if not task.cancelled():
            task.exception()

    async def close(self) -> None:
        """Break off what is under way; who asked for it asks again under the same key."""
        tasks = list(self.running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def attempt(self, call: Keyed, arguments: msgspec.Struct, now: Context) -> Answer:
        """Intent, call, result."""
        latest = asyncio.get_running_loop().time() + LONGEST
        deadline = min(now.deadline or latest, latest)
        CONTEXT.set(Context(caller=now.caller, trace=now.trace, kind="effect"))
        intent = self.intents.get(call.key)
        if intent is not None:
            deadline = min(deadline, intent.deadline)
        elif (answer := await self.begin(call, deadline)) is not None:
            return answer
        reach("X1")
        try:
            answer = await self.outside(call, arguments, deadline)
        except BaseException:
            await asyncio.shield(transact(self.store, self.module, lambda unit: self.release(unit, call)))
            raise
        reach("X2")
        if intent is not None and intent.waited_for:
            return answer
        return await transact(self.store, self.module, lambda unit: self.record(unit, call, answer))

    async def begin(self, call: Keyed, deadline: float) -> Answer | None:
        """The stored answer; or None, and the intent is durable."""
        if call.undoes is not None:
            await self.settle(call.undoes)
        return await transact(self.store, self.module, lambda unit: self.claim(unit, call, deadline))

    async def claim(self, unit: Unit, call: Keyed, deadline: float) -> Answer | None:
        """The stored answer; or None, and the intent is written."""
        found = await self.inbox.look(call.key)
        seconds = deadline - asyncio.get_running_loop().time() + MARGIN
        mine: dict[str, Any] = dict(owner=self.owner, lease_until=self.store.moment + seconds)
        if found is None:
            if not await self.inbox.undoing(unit, call):
                await self.inbox.write(unit, call, DONE)
                return DONE
            await self.inbox.put(unit, call, status="running", arguments=call.arguments)
            await self.inbox.change(unit, call, **mine)
            return None
        found.check(call)
        if found.final is None and not await self.inbox.change(unit, call, only=self.free(), **mine):
            raise StillRunning(self.name)
        return found.final

    def free(self) -> ColumnElement[bool]:
        """Whether no other process is at it. A store that serves one process alone has no others."""
        row = self.inbox.table.c
        mine = or_(row.owner.is_(None), row.owner == self.owner, row.lease_until < self.store.moment)
        return true() if self.store.exclusive else mine

    async def outside(self, call: Keyed, arguments: msgspec.Struct, deadline: float) -> Answer:
        """The body, outside any transaction, within the lease."""
        CONTEXT.set(replace(CONTEXT.get(), key=call.key, deadline=deadline, inner=Counter()))
        try:
            async with asyncio.timeout_at(deadline):
                return answer_of(await self.body(arguments), None)
        except Fault as fault:
            if type(fault) not in self.method.raises:
                raise
            return answer_of(None, fault)
        except TimeoutError as error:
            raise OutcomeUnknown(f"{self.name}: the outside world did not answer in time.") from error

    async def record(self, unit: Unit, call: Keyed, answer: Answer) -> Answer:
        """The result row; or the answer of another process, which was faster when this one overran its lease."""
        if await self.inbox.finish(unit, call, answer):
            return answer
        found = await self.inbox.look(call.key)
        return answer if found is None else found.final or answer

    async def release(self, unit: Unit, call: Keyed) -> None:
        """Let the next attempt start at once."""
        mine = self.inbox.table.c.owner == self.owner
        await self.inbox.change(unit, call, only=mine, owner=None, lease_until=None)


class Settling:
    """Finds out what became of a module's effects whose results are missing."""

    def __init__(self, store: Store, module: str, inbox: Inbox) -> None:
        self.store, self.module, self.inbox = store, module, inbox
        self.effects: dict[str, Effect] = {}

    async def __call__(self, key: str) -> None:
        """Ask the effect under this key again, if it has no result. Nothing is done for calls of other kinds."""
        found = await self.inbox.look(key)
        original = None if found is None else self.effects.get(found.name)
        if found is None or original is None or found.final is not None:
            return
        body = found.arguments or b""
        call = Keyed(found.name, key, body, found.fingerprint)
        await original.attend(call, codec.decode_arguments(original.method, body), CONTEXT.get())

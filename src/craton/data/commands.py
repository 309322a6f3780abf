"""Commands: one transaction each, once per key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from craton.calls.context import context
from craton.contract import Method
from craton.data.effects import Settling
from craton.data.inbox import DONE, Answer, Inbox, Keyed, Taken, answer_of
from craton.data.store import Conflict, Store, Unit, transact
from craton.errors import NotRun, OutcomeUnknown
from craton.failpoints import reach
from craton.values import Fault

Body = Callable[[msgspec.Struct], Awaitable[Any]]


class Command:
    """One command of a module: its implementation, run in a unit of work."""

    def __init__(
        self, name: str, method: Method, body: Body, *, store: Store, module: str, inbox: Inbox, settle: Settling
    ) -> None:
        self.name, self.method, self.body = name, method, body
        self.store, self.module, self.inbox, self.settle = store, module, inbox, settle

    async def ask(self, arguments: msgspec.Struct, *, key: str | None = None, undoes: str | None = None) -> Any:
        """The result, after the transaction is durable. Under a key: the same answer each time."""
        reach("P1")
        own: dict[str, Any] = dict(kind="command", key=key, given=None, inner=None, run=None)
        if key is None or not self.method.keyed:
            own["key"] = None
            found = await transact(self.store, self.module, lambda unit: kept(self.body(arguments)), **own)
            if isinstance(found, Fault):
                raise found
            return found
        if undoes is not None:
            with context(**own):
                await self.settle(undoes)
        call = Keyed.of(self.name, self.method, arguments, key, undoes)
        try:
            answer = await transact(self.store, self.module, lambda unit: self.once(unit, call, arguments), **own)
        except NotRun as error:
            found = await self.known(call) if isinstance(error.__cause__, Conflict) else None
            if found is None:
                raise
            answer = found
        reach("P5")
        return answer.give(self.method, self.name)

    async def once(self, unit: Unit, call: Keyed, arguments: msgspec.Struct) -> Answer:
        """The stored answer, or a first one; the inbox row commits with what the body changed.

        The first attempt takes the key to be new, as nearly all are: where it is not, the row cannot be written, or the
        body fails at what was done before, and the next attempt finds the answer.
        """
        if unit.attempt > 0 or call.undoes is not None:
            found = await self.known(call)
            if found is not None:
                return found
        answer = DONE
        if call.undoes is None or await self.inbox.undoing(unit, call):
            answer = await self.guarded(unit, call, arguments)
        reach("P2")
        await self.inbox.write(unit, call, answer)
        return answer

    async def known(self, call: Keyed) -> Answer | None:
        """The stored answer. OutcomeUnknown where it cannot be read: NotRun would deny what may have been done."""
        try:
            found = await self.inbox.look(call.key)
        except NotRun as error:
            raise OutcomeUnknown(f"{call.name}: what stands under its key cannot be read ({error})") from error
        if found is None:
            return None
        found.check(call)
        return found.final or Answer("failed", type="an effect stands under this key")

    async def guarded(self, unit: Unit, call: Keyed, arguments: msgspec.Struct) -> Answer:
        """Run the body in a savepoint: a fault rolls it back and is an answer like any other."""
        unit.wrote = False
        await unit.savepoint("body")
        try:
            answer = answer_of(await self.body(arguments), None)
        except Exception as error:
            if isinstance(error, Fault) and type(error) in self.method.raises:
                await unit.rollback_to("body")
                answer = answer_of(None, error)
            elif unit.attempt == 0 and await self.inbox.look(call.key) is not None:
                raise Taken(f"{call.name}: its key is an old one") from error
            else:
                raise
        await unit.release("body")
        return answer


async def kept(work: Awaitable[Any]) -> Any:
    """The result, or a fault after which what was written stays."""
    try:
        return await work
    except Fault as fault:
        if not fault.keeps:
            raise
        return fault

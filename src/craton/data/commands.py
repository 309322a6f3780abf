"""Commands: one transaction each, once per key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from craton.calls.context import context
from craton.contract import Method
from craton.data.effects import Settling
from craton.data.inbox import DONE, Answer, Inbox, Keyed, answer_of
from craton.data.store import Store, Unit, transact
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
        with context(kind="command", key=key, given=None, inner=None, run=None):
            if key is None:
                return await transact(self.store, self.module, lambda unit: self.body(arguments))
            if undoes is not None:
                await self.settle(undoes)
            call = Keyed.of(self.name, self.method, arguments, key, undoes)
            answer = await transact(self.store, self.module, lambda unit: self.once(unit, call, arguments))
        reach("P5")
        return answer.give(self.method, self.name)

    async def once(self, unit: Unit, call: Keyed, arguments: msgspec.Struct) -> Answer:
        """The stored answer, or a first one; the inbox row commits with what the body changed."""
        found = await self.inbox.look(call.key)
        if found is not None:
            found.check(call)
            return found.final or Answer("failed", type="an effect stands under this key")
        answer = await self.guarded(unit, arguments) if await self.inbox.undoing(unit, call) else DONE
        reach("P2")
        await self.inbox.write(unit, call, answer)
        return answer

    async def guarded(self, unit: Unit, arguments: msgspec.Struct) -> Answer:
        """Run the body in a savepoint: a fault rolls it back and is an answer like any other."""
        unit.wrote = False
        await unit.savepoint("body")
        try:
            answer = answer_of(await self.body(arguments), None)
        except Fault as fault:
            if type(fault) not in self.method.raises:
                raise
            await unit.rollback_to("body")
            answer = answer_of(None, fault)
        await unit.release("body")
        return answer


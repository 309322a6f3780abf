"""Classic bugs, put back: each must be found by the sweep, or the sweep proves nothing."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import msgspec
from sqlalchemy.exc import IntegrityError

from craton.calls.context import CONTEXT, Context, context
from craton.data.commands import Command
from craton.data.effects import Effect
from craton.data.inbox import DONE, Answer, Inbox, Keyed
from craton.data.store import Unit, transact
from craton.data.stores.sqlite_unit import SQLiteUnit
from craton.messages import receiver
from craton.messages.outbox import Outbox, Row
from craton.messages.receiver import Receiver
from craton.messages.relay import Relay
from craton.messages.transport import TAKEN, Message, Verdict
from craton.sagas.arrivals import Arrival, Arrivals
from craton.sagas.journal import Entry, Journal
from craton.sagas.run import Run
from craton.sagas.window import EMPTY

Mutants = dict[str, Callable[[], Any]]
MUTANTS: Mutants = {}
"""Bugs of commands, effects and sagas."""
OF_EVENTS: Mutants = {}
"""Bugs of relay and receiver."""
OF_WAITS: Mutants = {}
"""Bugs of sagas that sleep and wait for events."""


def mutant(
    name: str, kind: Any, method: str, *, among: Mutants = MUTANTS
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Puts a function in a method's place while the bug is in."""

    def note(function: Callable[..., Any]) -> Callable[..., Any]:
        among[name] = lambda: patch.object(kind, method, function)
        return function

    return note


@mutant("no tombstone", Inbox, "undoing")
async def no_tombstone(self: Inbox, unit: Unit, call: Keyed) -> bool:
    original = None if call.undoes is None else await self.look(call.undoes)
    return call.undoes is None or (original is not None and original.status == "done")


once = Command.once


@mutant("a fault is not kept in the inbox", Command, "once")
async def fault_not_kept(self: Command, unit: Unit, call: Keyed, arguments: Any) -> Answer:
    answer = await once(self, unit, call, arguments)
    if answer.status == "fault":
        await unit.execute(self.module, self.inbox.table.delete().where(self.inbox.table.c.key == call.key))
    return answer


@mutant("the inbox row is inserted, and its error caught", Inbox, "write")
async def insert_and_catch(self: Inbox, unit: Unit, call: Keyed, answer: Answer) -> None:
    row = self.row(call, status=answer.status, answer=answer.body, type=answer.type)
    await unit.savepoint("row")
    try:
        await unit.execute(self.module, self.add, row)
    except IntegrityError:
        await unit.rollback_to("row")
    await unit.release("row")


inside = Run.inside


@mutant("a step and its journal are committed apart", Run, "inside")
async def apart(self: Run, step: int, call: Any, entry: Any) -> Any:
    try:
        return await inside(self, step, call, entry)
    finally:
        unit, self.unit = self.unit, None
        if unit is not None:
            await unit.commit()


write_entries = Journal.write_entries


@mutant("the undo is not in the intent", Journal, "write_entries")
async def undo_not_in_intent(self: Journal, unit: Unit, saga: str, entries: Mapping[int, Entry]) -> None:
    none: dict[str, Any] = dict(undo=None, undo_arguments=None)
    bare = {step: replace(e, **none) if e.status == "asked" else e for step, e in entries.items()}
    await write_entries(self, unit, saga, bare)


@mutant("the inbox row is not in the command's transaction", Command, "ask")
async def inbox_apart(self: Command, arguments: Any, *, key: str | None = None, undoes: str | None = None) -> Any:
    if key is None:
        return await transact(self.store, self.module, lambda unit: self.body(arguments))
    call = Keyed.of(self.name, self.method, arguments, key, undoes)
    found = await self.inbox.look(key)
    if found is not None:
        found.check(call)
        return (found.final or DONE).give(self.method, self.name)
    if await transact(self.store, self.module, lambda unit: self.inbox.undoing(unit, call)):
        answer = await transact(self.store, self.module, lambda unit: self.guarded(unit, call, arguments))
    else:
        answer = DONE
    await transact(self.store, self.module, lambda unit: self.inbox.write(unit, call, answer))
    return answer.give(self.method, self.name)


@mutant("an effect leaves no intent", Effect, "attempt")
async def no_intent(self: Effect, call: Keyed, arguments: Any, now: Context) -> Answer:
    CONTEXT.set(Context(caller=now.caller, trace=now.trace, kind="effect"))
    found = await self.inbox.look(call.key)
    if found is not None and found.final is not None:
        return found.final
    if not await transact(self.store, self.module, lambda unit: self.inbox.undoing(unit, call)):
        answer = DONE
    else:
        answer = await self.outside(call, arguments, asyncio.get_running_loop().time() + 5)
    await transact(self.store, self.module, lambda unit: self.inbox.write(unit, call, answer))
    return answer


effect_outside = Effect.outside
tries = itertools.count(1)


@mutant("an effect has a fresh key on each try", Effect, "outside")
async def fresh_key(self: Effect, call: Keyed, arguments: Any, deadline: float) -> Answer:
    fresh = msgspec.structs.replace(call, key=f"{call.key}#{next(tries)}")
    return await effect_outside(self, fresh, arguments, deadline)


@mutant("a step is asked before its intent is durable", Run, "flush")
async def no_flush(self: Run) -> None:
    pass


@mutant("a merged fault rolls all back instead of undoing", Run, "backward")
async def rolled_back(self: Run) -> Answer:
    if self.unit is not None:
        await self.unit.rollback()
        self.unit = None
    assert self.record.cause is not None
    await self.finish(self.record.cause.status, self.record.cause)
    return self.record.cause


write = Journal.write


@mutant("that it undoes is not remembered", Journal, "write")
async def undoing_forgotten(self: Journal, unit: Unit, record: Any, final: Any) -> None:
    state = record.state
    if state == "undoing":
        record.state = "running"
    try:
        await write(self, unit, record, final)
    finally:
        record.state = state


@mutant("a unit is answered before it is durable", SQLiteUnit, "commit")
async def answered_early(self: SQLiteUnit) -> None:
    state, self.state = self.state, "ended"
    if self.timer is not None:
        self.timer.cancel()
    if state == "holding":
        self.writer.give(keep=True)


@mutant("an abandoned saga is not picked up", Journal, "abandoned")
async def not_picked_up(self: Journal, mine: set[str]) -> list[tuple[str, int]]:
    return []


# ---------------------------------------------------------------------- replicas

write_saga = Journal.write_saga
OF_REPLICAS: Mutants = {}
"""Bugs that show when two processes take a saga for their own."""


@mutant("no fence", Journal, "write_saga", among=OF_REPLICAS)
async def no_fence(self: Journal, unit: Unit, record: Any) -> None:
    stored, mine = await self.read(record.id), (self.owner, record.fence)
    if stored is not None:
        self.owner, record.fence = stored.owner, stored.fence
    try:
        await write_saga(self, unit, record)
    finally:
        self.owner, record.fence = mine


# ---------------------------------------------------------------------- events

receive, send, due, started = Receiver.receive, Relay.send, Outbox.due, set[Any]()


@mutant("a message is confirmed before it is committed", Receiver, "receive", among=OF_EVENTS)
async def confirmed_early(self: Receiver, batch: Sequence[Message]) -> list[Verdict]:
    async def later() -> None:
        await asyncio.sleep(0.01)
        await receive(self, batch)

    task = asyncio.get_running_loop().create_task(later())
    started.add(task)
    task.add_done_callback(started.discard)
    return [TAKEN] * len(batch)


@mutant("an event is marked as sent before it is confirmed", Relay, "send", among=OF_EVENTS)
async def marked_early(self: Relay, lane: Any, rows: Sequence[Any]) -> None:
    await self.outbox.change(self.outbox.mark, [row.position for row in rows])
    await send(self, lane, rows)


@mutant("events are found by their numbers instead of their status", Outbox, "due", among=OF_EVENTS)
async def by_number(self: Outbox) -> list[Row]:
    held: Any = self
    held.base, last = getattr(self, "base", self.select_due), getattr(self, "last", 0)
    self.select_due = held.base.where(self.table.c.position > last)
    rows = await due(self)
    held.last = max([last, *(row.position for row in rows)])
    return rows


@mutant("the inbox knows a message by its id alone", receiver, "key_of", among=OF_EVENTS)
def id_alone(message: Message, subscriber: str) -> str:
    return message.id


@mutant("nobody remembers what was applied", Inbox, "once", among=OF_EVENTS)
async def nothing_remembered(self: Inbox, unit: Unit, key: str, name: str) -> bool:
    return True


inbox_once = Inbox.once


@mutant("the inbox row is not in the handler's transaction", Inbox, "once", among=OF_EVENTS)
async def noted_apart(self: Inbox, unit: Unit, key: str, name: str) -> bool:
    with context(unit=None):
        return await transact(self.store, self.module, lambda own: inbox_once(self, own, key, name))


prepare = Journal.prepare


@mutant("nobody looks for what is due", Journal, "prepare", among=OF_WAITS)
def not_due(self: Journal) -> Any:
    self.looks = prepare(self)[:1]
    return self.looks


put_down = Run.put_down


@mutant("until when it waits is not in the journal", Run, "put_down", among=OF_WAITS)
async def until_forgotten(
    self: Run, due: float | None, *, awaits: str | None = None, latest: Mapping[str, str] = EMPTY
) -> None:
    del self.record.entries[self.step]
    self.record.dirty.discard(self.step)
    await put_down(self, due, awaits=awaits, latest=latest)


record = Arrivals.record


@mutant("an event is kept only for who waits already", Arrivals, "record", among=OF_WAITS)
async def kept_for_some(self: Arrivals, unit: Unit, arrival: Arrival) -> None:
    waiting = self.saga.update().where(self.saga.c.awaits == arrival.awaits).values(due=0.0)
    if (await unit.execute(self.module, waiting)).rowcount:
        await record(self, unit, arrival)


close = Run.close


@mutant("a step that came to its end beside one that failed is not undone", Run, "close", among=OF_WAITS)
def not_undone(self: Run, step: int, entry: Entry, answer: Answer) -> None:
    close(self, step, entry, answer)
    if any(other.status == "fault" for other in self.record.entries.values()):
        entry.undo = None

"""Subscribers: what a module does with events that it hears of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from craton.calls.context import NOBODY, context
from craton.contract import Kind
from craton.data.store import Unit
from craton.messages.stored import event_of
from craton.messages.transport import Message
from craton.values import Event

Apply = Callable[[Unit, Message, Event], Awaitable[None]]


class Unreadable(Exception):
    """No code here knows the event's type or version."""


class Broken(Exception):
    """A handler raised an error, which is the cause."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """`name`: "recommendations.learn", as the publisher knows it. `apply` is part of the unit that it is given."""

    name: str
    events: dict[str, type[Event]]
    apply: Apply
    kind: Kind = "command"

    def read(self, message: Message) -> Event:
        """The event, as this code has it. Unreadable where it does not fit."""
        event = event_of(self.events[message.type], version=message.version, body=message.body)
        if event is None:
            raise Unreadable(f"{message.type} (version {message.version}) does not fit what this code knows of it")
        return event

    async def run(self, unit: Unit, message: Message) -> None:
        """Apply a message. Broken where the handler breaks."""
        event, key = self.read(message), key_of(message, self.name)
        with context(
            kind=self.kind, key=key, given=None, inner=None, run=None, unit=unit, caller=NOBODY, trace=message.trace
        ):
            try:
                await self.apply(unit, message, event)
            except Exception as error:
                raise Broken(self.name) from error


def key_of(message: Message, subscriber: str) -> str:
    """What the inbox knows a message for a subscriber by."""
    return f"{message.id}/{subscriber}"


def handler(name: str, events: tuple[type[Event], ...], body: Callable[[msgspec.Struct], Awaitable[object]],
            arguments: type[msgspec.Struct]) -> Subscriber:
    """The subscriber that a method marked @on is."""
    (parameter,) = arguments.__struct_fields__

    async def apply(unit: Unit, message: Message, event: Event) -> None:
        await body(arguments(**{parameter: event}))

    return Subscriber(name, {kind.__name__: kind for kind in events}, apply)

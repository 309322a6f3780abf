"""Subscribers: what a module does with events that it hears of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from craton.calls.context import NOBODY, context
from craton.contract import Method
from craton.data.store import Unit
from craton.errors import CallError
from craton.failpoints import reach
from craton.messages.stored import event_of
from craton.messages.transport import Message
from craton.values import Event

R = TypeVar("R")
Apply = Callable[[Unit, Message, Event], Awaitable[None]]
SLOWEST = 10.0
"""Seconds that a handler may take, and several together; less than a sender waits."""


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

    def read(self, message: Message) -> Event:
        """The event, as this code has it. Unreadable where it does not fit."""
        what = f"{message.type} (version {message.version}) does not fit what this code knows of it"
        try:
            event = event_of(self.events[message.type], version=message.version, body=message.body)
        except Exception as error:  # its upcast breaks
            raise Unreadable(f"{what}: {error!r}") from error
        if event is None:
            raise Unreadable(what)
        return event

    async def run(self, unit: Unit, message: Message) -> None:
        """Apply a message. Broken where the handler breaks."""
        event, key = self.read(message), key_of(message, self.name)
        with context(
            kind="command", key=key, given=None, inner=None, run=None, unit=unit, caller=NOBODY, trace=message.trace
        ):
            try:
                reach("C2")
                unit.wrote = False  # what is noted before it is not the handler's: it may ask others before it writes
                await self.apply(unit, message, event)
                reach("C3")
            except Exception as error:
                raise Broken(self.name) from error


async def in_time(work: Awaitable[R]) -> R:
    """What a handler does, within its time; Broken where it takes longer, or what it did cannot be committed."""
    try:
        async with asyncio.timeout(SLOWEST):
            return await work
    except TimeoutError as error:
        raise Broken(f"a handler took longer than {SLOWEST:g} s") from error
    except (Broken, Unreadable, CallError):  # the last one: the database is away
        raise
    except Exception as error:
        raise Broken("what a handler did") from error


def key_of(message: Message, subscriber: str) -> str:
    """What the inbox knows a message for a subscriber by."""
    return f"{message.id}/{subscriber}"


def handler(name: str, method: Method, body: Callable[[msgspec.Struct], Awaitable[object]]) -> Subscriber:
    """The subscriber that a command marked @on is."""
    (parameter,) = method.arguments.__struct_fields__

    async def apply(unit: Unit, message: Message, event: Event) -> None:
        await body(method.arguments(**{parameter: event}))

    return Subscriber(name, {event.__name__: event for event in method.on}, apply)

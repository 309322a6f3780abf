"""The post of a process: what its modules send events with, and receive them with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from craton.application import SAGAS
from craton.calls.context import NOBODY, context
from craton.calls.endpoint import Ask, Endpoint
from craton.contract import Method, methods_of
from craton.data.store import Store
from craton.messages.cleaning import Cleaner
from craton.messages.events import Events
from craton.messages.letters import Letters
from craton.messages.receiver import Receiver
from craton.messages.relay import LONGEST, MOMENT, Relay
from craton.messages.subscriber import Subscriber, handler
from craton.messages.transport import LATER, Broker, Message, Transport, Verdict
from craton.run.hosting import Hosted
from craton.sagas.cleaning import SagaCleaner
from craton.sources import Ids

EVENTS = Method(
    name="$events", kind="effect", result=tuple[Verdict, ...],
    arguments=msgspec.defstruct("EventsArguments", [("batch", tuple[Message, ...])], frozen=True),
)
"""What every module that subscribes answers besides its contract: what became of the events that it was brought."""


class Direct:
    """The transport without a broker: straight to the service that hosts the destination. `reach` gives the way from
    one module to another."""

    def __init__(self, reach: Callable[[str, str], Ask]) -> None:
        self.reach = reach

    async def send(self, destination: str, batch: Sequence[Message]) -> Sequence[Verdict]:
        """Call the destination's endpoint."""
        deadline = asyncio.get_running_loop().time() + LONGEST
        with context(caller=NOBODY, deadline=deadline):
            ask = self.reach(batch[0].source, destination)
            verdicts: Sequence[Verdict] = await ask(EVENTS.arguments(batch=tuple(batch)))
            return verdicts


class Apart:
    """The transport where there is a broker: directly to the modules that are hosted here, by the broker to others."""

    def __init__(self, direct: Transport, broker: Broker, here: Collection[str]) -> None:
        self.direct, self.broker, self.here = direct, broker, here

    async def send(self, destination: str, batch: Sequence[Message]) -> Sequence[Verdict]:
        """Bring messages to a module."""
        return await (self.direct if destination in self.here else self.broker).send(destination, batch)


class Post:
    """The relays and receivers of one process, by module. `destinations`: who hears of which type of event."""

    def __init__(
        self, destinations: Mapping[str, tuple[str, ...]],
        *, transport: Transport, broker: Broker | None, owner: str, ids: Ids, retention: float,
    ) -> None:
        self.destinations, self.owner, self.ids = destinations, owner, ids
        self.transport, self.broker = transport, broker
        self.retention, self.cleaners = retention, list[Cleaner]()
        self.relays: dict[str, Relay] = {}
        self.receivers: dict[str, Receiver] = {}

    def events(self, store: Store, module: str) -> Events:
        """What a module publishes with. Its relay is there only where somebody may hear of it."""
        wake: Callable[[], None] = nobody
        if self.destinations:
            if module not in self.relays:
                known = {name for names in self.destinations.values() for name in names}
                self.relays[module] = Relay(store, module, owner=self.owner, transport=self.transport, known=known)
            wake = self.relays[module].wake
        return Events(store, module, ids=self.ids, destinations=self.destinations, owner=self.owner, wake=wake)

    def receive(self, hosted: Hosted) -> Endpoint | None:
        """The endpoint that takes events for a module; None where it does not subscribe."""
        where: dict[str, Any] = dict(store=hosted.store, module=hosted.module, retention=self.retention)
        sagas = SagaCleaner(**where).clean if hosted.sagas.methods else None
        self.cleaners.append(Cleaner(**where, first=sagas))
        subscribers = subscribers_of(hosted)
        if not subscribers:
            return None
        what: dict[str, Any] = dict(inbox=hosted.inbox, subscribers=subscribers)
        letters = Letters(hosted.store, hosted.module, **what)
        receiver = Receiver(hosted.store, hosted.module, **what, letters=letters, retention=self.retention)
        self.receivers[hosted.module] = receiver

        async def ask(arguments: Any, *, key: str | None = None, undoes: str | None = None) -> tuple[Verdict, ...]:
            return tuple(await receiver.receive(arguments.batch))

        return Endpoint(hosted.module, EVENTS, ask)

    def letters(self, module: str) -> Letters | None:
        """The letters of a module that subscribes."""
        return self.receivers[module].letters if module in self.receivers else None

    def open(self, stack: AsyncExitStack) -> None:
        """Start what runs by itself; it stops first."""
        for cleaner in self.cleaners:
            run(cleaner.tend(), stack)
        for receiver in self.receivers.values():
            run(receiver.letters.tend(), stack, stop=receiver.letters.stop)
        for relay in self.relays.values():
            stack.push_async_callback(relay.close)
            run(relay.run(), stack, stop=relay.stop)
        for module in self.relays.keys() | self.receivers.keys() if self.broker else ():
            run(self.consume(module), stack)

    async def consume(self, module: str) -> None:
        """Take what the broker keeps for a module, for ever."""
        assert self.broker is not None
        receiver, relay = self.receivers.get(module), self.relays.get(module)

        async def resend(destination: str, stream: str, first: int) -> None:
            if relay and stream:
                await relay.send_again(destination, stream, first)
            elif relay:
                await relay.send_all_again(destination, retention=self.retention)

        await self.broker.consume(module, receiver.receive if receiver else refuse, resend)


def run(work: Coroutine[Any, Any, None], stack: AsyncExitStack, *, stop: Callable[[], None] | None = None) -> None:
    """Run something until the process stops: then it is told, where it can be, and given a moment."""
    task = asyncio.get_running_loop().create_task(work)

    async def end() -> None:
        if stop is not None:
            stop()
            await asyncio.wait({task}, timeout=MOMENT)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


def nobody() -> None:
    """Who is told of events that nobody hears of."""


async def refuse(batch: Sequence[Message]) -> Sequence[Verdict]:
    """What a module answers that does not subscribe any more: the broker keeps it, for code that does."""
    return [LATER] * len(batch)


def subscribers_of(hosted: Hosted) -> list[Subscriber]:
    """What a module does with events: its handlers, its sagas that begin by one, and those that wait for one."""
    found, waited = [], dict[str, Any]()
    kind: type = type(hosted.instance)
    for method in methods_of(kind).values():
        endpoint = hosted.endpoints[method.name]
        waited |= {event.__name__: event for event in method.awaits}
        if method.on and method.kind == "saga":
            events = {event.__name__: event for event in method.on}
            found.append(Subscriber(endpoint.name, events, hosted.sagas.methods[endpoint.name].begin_by))
        elif method.on:
            assert endpoint.body is not None
            found.append(handler(endpoint.name, method, endpoint.body))
    if waited:
        found.append(Subscriber(f"{hosted.module}.{SAGAS}", waited, hosted.sagas.arrive))
    return found

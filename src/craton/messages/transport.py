"""How events travel from the outbox of one module to another module: what travels, and what a transport must do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol, Self

from craton.values import Value


class Message(Value):
    """One event for one module. `id` is that of the event, the same for all who receive it and each time it is sent.

    `stream` ("order=o-1") belongs to `source`, the module that published it; `sequence` is the event's number among
    those of the stream that go to this destination: 1, 2, 3 ..., or 0 where the event has no key, and so no order.
    `body` is JSON. `created`: when it was stored, in seconds since 1970. `gap`: what came before it is lost for good.
    """

    id: str
    source: str
    stream: str
    sequence: int
    type: str
    version: int
    body: str
    trace: str
    created: float
    gap: bool = False


class Verdict(Value):
    """What became of a message: "taken" (it is kept safely, and must not be sent again), "early" (`expected` is the
    number that its stream goes on with there), or "later" (it could not be taken now: send it again)."""

    status: Literal["taken", "early", "later"]
    expected: int = 0


TAKEN, LATER = Verdict("taken"), Verdict("later")
Receive = Callable[[Sequence[Message]], Awaitable[Sequence[Verdict]]]
"""Takes messages, in the order of their streams, and says what became of each, in the same order. Never raises but for
cancellation. Messages that were not taken may be given to it again, early ones after those that they wait for."""

Resend = Callable[[str, str, int], Awaitable[None]]
"""Makes the outbox of a module send again what it still keeps: (destination, stream, first number), "" for all of them.

A destination that misses events asks for them by the queue of their source; a module that finds its own queue gone
takes the broker for emptied, and sends all of it again. What had arrived is known by its number, and confirmed.
"""


class Transport(Protocol):
    """A way from an outbox to the modules that subscribe."""

    async def send(self, destination: str, batch: Sequence[Message]) -> Sequence[Verdict]:
        """Bring messages to a module, in this order; the verdicts, in the same order.

        A broker answers "taken" for what it has confirmed to keep, and "later" for what it has refused or returned. It
        raises an exception where the destination, or the broker, is away, or does not say: all of it is sent again.
        """
        ...


class Broker(Transport, Protocol):
    """A transport that keeps messages until they are fetched. An async context manager: it connects when it is first
    needed, connects again by itself, and is never the reason why a service does not start."""

    async def consume(self, module: str, receive: Receive, resend: Resend) -> None:
        """For ever: give `receive` what comes for a module, in batches, and tell the broker to forget what was taken.
        Modules that only publish consume, too: `resend` is called when a destination misses what the module published.

        What was not taken is given again after a moment, with back-off; nothing is ever dropped, and nothing blocks
        messages of other streams for long.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *error: object) -> None: ...

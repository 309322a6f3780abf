"""Doorbells: a broker tells workers that there are jobs. A job's row is the truth; a ring may be lost, or doubled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from craton.errors import SettingsError

LARGEST = 256 * 1024
"""Bytes of the largest event that is rung whole; larger ones are rung without `data`, which `take` answers anyhow.

SQS takes 1 MiB for a whole batch (formerly 256 KiB, which emulators keep to), RabbitMQ 4 takes 16 MiB.
"""


class Bell(Protocol):
    """One ring, held by this worker until it is acknowledged or given back; a worker that dies gives back what it held.

    `event` is the requested event, a CloudEvent in JSON, without taskattempt, taskfence and taskfolder: ask the
    controller of its `taskmodule` for the job `taskid`, then acknowledge, then work.
    """

    @property
    def event(self) -> bytes:
        """The event's bytes, as they were rung."""
        ...

    async def ack(self) -> None:
        """Forget it: the controller has answered, whatever it answered. Never raises: a lost one only rings again."""
        ...

    async def back(self) -> None:
        """Let another worker have it, at once. Never raises."""
        ...

    async def bury(self) -> None:
        """Nobody can read it: leave it to the dead letters, or drop it where there are none. Never raises."""
        ...


class Listening(Protocol):
    """What rings, an async iterator. Ask only with a slot free: what is not asked for in time goes to other workers."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Bell:
        """The next; waits for it, for ever. Raises StopAsyncIteration once closed."""
        ...

    def more(self, most: int) -> Sequence[Bell]:
        """Up to `most` that have come already, without waiting."""
        ...

    async def aclose(self) -> None:
        """Listen no more, and give back what was not asked for; bells that were given out can still be acknowledged."""
        ...


@dataclass(frozen=True)
class Redriven:
    """How many dead letters rang again, and how many stayed."""

    moved: int
    stayed: int


class Doorbell(Protocol):
    """One process at a broker that may be away: entering never waits for it, and it is looked for until it is there."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *error: object) -> None: ...

    async def ring(self, queue: str, events: Sequence[bytes]) -> None:
        """Hand events to the broker, which makes them durable. Raises NotRun when it has not confirmed all of them."""
        ...

    def listen(self, queues: Sequence[str], room: int) -> Listening:
        """Listen to queues, while the broker is there, and again when it is back. For use as `async for bell in ...`.

        `room` is the most bells of each queue that are held at a time: given out, or waiting to be asked for.
        """
        ...

    async def redrive(self) -> Redriven:
        """Ring again what is among the dead letters; what nobody can read stays. Raises NotRun when it is away."""
        ...


def doorbell_at(url: str, *, application: str) -> Doorbell:
    """The doorbell at a broker's URL: amqp://..., amqps://... or sqs://REGION/PREFIX. To be opened by `async with`.

    In RabbitMQ the queue "transcode" is `<application>.jobs.transcode`, in SQS `<PREFIX>-transcode` (PREFIX is the
    application's name where the URL has none). Workers are told the application's name by CRATON_APPLICATION.
    Raises SettingsError for any other URL, and when the broker's client is not installed.
    """
    scheme = url.partition("://")[0]
    if scheme in ("amqp", "amqps"):
        return rabbitmq(url, application)
    if scheme == "sqs":
        return sqs(url, application)
    raise SettingsError(f"CRATON_BROKER begins with {scheme!r}: give amqp://..., amqps://... or sqs://REGION/PREFIX.")


def rabbitmq(url: str, application: str) -> Doorbell:
    """The doorbell over RabbitMQ."""
    try:
        from craton.tasks.doorbells.rabbitmq import RabbitMQ
    except ImportError as error:
        raise SettingsError(f"jobs over RabbitMQ need its client ({error}): install craton[rabbitmq].") from error
    return RabbitMQ(url, application)


def sqs(url: str, application: str) -> Doorbell:
    """The doorbell over Amazon SQS."""
    try:
        from craton.tasks.doorbells.sqs import SQS
    except ImportError as error:
        raise SettingsError(f"jobs over Amazon SQS need its client ({error}): install craton[sqs].") from error
    return SQS(url, application)

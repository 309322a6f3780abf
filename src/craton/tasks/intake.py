"""How a worker comes to its jobs: by asking controllers, or by what a broker rings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from craton.calls.codec import MALFORMED
from craton.calls.retry import Backoff
from craton.errors import SettingsError
from craton.tasks.doorbell import Bell, Doorbell
from craton.tasks.messages import Requested, Take
from craton.tasks.sources import Source

if TYPE_CHECKING:
    from craton.tasks.worker import Worker

IDLE_WAIT, BUSY_WAIT = 20.0, 2.0
"""Seconds that a controller may wait for a first job: briefly while others run, since then there is soon more room."""
MOMENT = 0.002
"""Seconds for which a worker that has jobs lets free slots gather."""
STOP = 5.0
"""Seconds that an answer may take when the worker stops."""
log = logging.getLogger("craton.tasks")


class Intake(Protocol):
    """Brings jobs to a worker."""

    async def run(self) -> None:
        """Until cancelled."""
        ...


def intake_of(worker: Worker) -> Intake:
    """By the doorbell where there is one."""
    return Hearing(worker, worker.doorbell) if worker.doorbell else Asking(worker)


async def is_idle(worker: Worker) -> None:
    """Wait until it has nothing to do."""
    await worker.has_room(worker.slots + 1)


async def has_room(worker: Worker) -> None:
    """Wait until there is a free slot; and a moment longer where others are in use, since those that are about to be
    free are then filled by the same request."""
    await worker.has_room()
    if worker.used:
        await asyncio.sleep(MOMENT)
        await worker.has_room()


class Asking:
    """Asks all sources, and waits at each for its answer: whenever the worker is `ready`."""

    def __init__(self, worker: Worker, ready: Callable[[Worker], Awaitable[None]] = has_room) -> None:
        self.worker, self.ready, self.first = worker, ready, 0
        self.asked: dict[asyncio.Task[None], Source] = {}
        self.backoffs = {id(source): Backoff(first=0.1, most=5.0) for source in worker.sources}

    async def run(self) -> None:
        """Take jobs until cancelled."""
        try:
            while True:
                await self.ready(self.worker)
                if await self.sweep():
                    continue
                for source in self.waiting():
                    self.asked[asyncio.create_task(self.wait(source))] = source
                done, _ = await asyncio.wait(self.asked, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del self.asked[task]
                    task.result()  # raises where it makes no sense to go on
        finally:
            for task in self.asked:
                task.cancel()
            await asyncio.gather(*self.asked, return_exceptions=True)

    async def sweep(self) -> bool:
        """Where there are several sources: ask one after the other for what there is, so that they give no more than
        there is room for; each time another one first. Whether there was any."""
        found, sources = False, self.waiting() if len(self.worker.sources) > 1 else []
        self.first += 1
        for source in sources:
            if self.backoffs[id(source)].tries == 0 and (jobs := await self.take(source, wait=0)):
                found = True
                self.worker.begin(source, jobs)
                if not self.worker.room:
                    break
        return found

    def waiting(self) -> list[Source]:
        """The sources that are not being asked."""
        sources, asked = self.worker.sources, {id(source) for source in self.asked.values()}
        turned = [sources[(self.first + n) % len(sources)] for n in range(len(sources))]
        return [source for source in turned if id(source) not in asked]

    async def wait(self, source: Source) -> None:
        """Ask one source, and begin with its jobs as soon as they come: what there is no room for any more goes back
        at once. Where it is away, wait a little."""
        self.worker.begin(source, await self.take(source, wait=BUSY_WAIT if self.worker.used else IDLE_WAIT))
        if (backoff := self.backoffs[id(source)]).tries:
            await asyncio.sleep(backoff.pause())

    async def take(self, source: Source, *, wait: float) -> list[Requested]:
        """Ask one source."""
        worker, backoff = self.worker, self.backoffs[id(source)]
        room = max(1, worker.room)
        asked = Take(
            worker=worker.name, queues=worker.queues, room=room, most=room, wait=wait, modules=source.modules,
        )
        try:
            jobs = await source.control.take(asked)
        except SettingsError:
            raise
        except Exception as error:  # whatever it is: it is asked again
            if not backoff.tries:
                log.warning("no jobs of %s: %s", ", ".join(source.modules), error or type(error).__name__)
            backoff.tries += 1
            return []
        if backoff.tries:
            log.info("jobs of %s again", ", ".join(source.modules))
            backoff.tries = 0
        return jobs


class Rung(msgspec.Struct, frozen=True):
    """What is asked of a ring; it may lack the job's input."""

    taskid: str
    taskmodule: str
    taskweight: int = 1


RUNG = msgspec.json.Decoder(Rung)


@dataclass(frozen=True, slots=True)
class Heard:
    """A ring that was read."""

    bell: Bell
    rung: Rung
    source: Source


class Hearing:
    """Waits for rings; asks the controller of each for its job, and then lets go of the ring. While it has nothing to
    do it waits at the controllers, too: what is given to it there need not ring.
    """

    def __init__(self, worker: Worker, doorbell: Doorbell) -> None:
        self.worker, self.doorbell = worker, doorbell
        self.sources = {module: source for source in worker.sources for module in source.modules}
        self.backoff = Backoff(first=0.2, most=5.0)

    async def run(self) -> None:
        """Take jobs until cancelled."""
        works = [self.hear(), Asking(self.worker, is_idle).run()]
        taking = [asyncio.create_task(work, name="intake") for work in works]
        try:
            done, _ = await asyncio.wait(taking, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # none of them ends, but by an error
        finally:
            for task in taking:
                task.cancel()
            await asyncio.gather(*taking, return_exceptions=True)

    async def hear(self) -> None:
        """Take the jobs that ring."""
        listening = self.doorbell.listen(self.worker.queues, self.worker.slots)
        try:
            while True:
                await has_room(self.worker)
                bell = await anext(listening)
                bells = [bell, *listening.more(self.worker.room - 1)] if self.worker.room > 1 else [bell]
                await self.whole(bells)
        finally:
            await listening.aclose()

    async def whole(self, bells: Sequence[Bell]) -> None:
        """Answer some; to its end where the worker stops meanwhile, since what was taken must be known."""
        answering = asyncio.create_task(self.answer(bells))
        try:
            await asyncio.shield(answering)
        except asyncio.CancelledError:
            await asyncio.wait({answering}, timeout=STOP)
            answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering
            raise

    async def answer(self, bells: Sequence[Bell]) -> None:
        """Take the jobs of some rings, as there is room for them."""
        heard = [found for bell in bells if (found := await self.read(bell))]
        try:
            while heard:
                await self.worker.has_room(heard[0].rung.taskweight)
                now, room = [heard.pop(0)], self.worker.room
                while heard and sum(one.rung.taskweight for one in (*now, heard[0])) <= room:
                    now.append(heard.pop(0))
                spare = max(0, room - sum(one.rung.taskweight for one in now))
                for source in {id(one.source): one.source for one in now}.values():
                    await self.take(source, [one for one in now if one.source is source], more=spare)
                    spare = 0
        finally:
            for one in heard:
                await one.bell.back()

    async def read(self, bell: Bell) -> Heard | None:
        """One ring; None where it is of no use here."""
        try:
            rung = RUNG.decode(bell.event)
        except MALFORMED as error:
            log.error("a ring cannot be read, and is left to the dead letters: %s", error)
            await bell.bury()
            return None
        if rung.taskmodule not in self.sources:
            log.error("CRATON_CONTROLLERS does not say where %s answers: add %s=address.", *[rung.taskmodule] * 2)
            await bell.back()
            await asyncio.sleep(self.backoff.pause())
            return None
        return Heard(bell, rung, self.sources[rung.taskmodule])

    async def take(self, source: Source, heard: Sequence[Heard], *, more: int) -> None:
        """Take the jobs of one source, and others that have room in `more`, since not every job rings while many are
        waiting; where it does not answer, let others try."""
        ids, weight = tuple(one.rung.taskid for one in heard), sum(one.rung.taskweight for one in heard)
        asked = Take(
            worker=self.worker.name, queues=self.worker.queues, room=weight, most=len(ids), jobs=ids,
            more=more, modules=tuple({one.rung.taskmodule: None for one in heard}),
        )
        try:
            jobs = await source.control.take(asked)
        except Exception as error:
            log.warning("no jobs of %s: %s", ", ".join(asked.modules), error or type(error).__name__)
            await asyncio.gather(*(one.bell.back() for one in heard))
            if isinstance(error, SettingsError):
                raise
            await asyncio.sleep(self.backoff.pause())
            return
        self.backoff.tries = 0
        self.worker.begin(source, jobs)
        await asyncio.gather(*(one.bell.ack() for one in heard))

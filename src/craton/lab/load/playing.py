"""Visitors who do what a scenario says: as they arrive, whatever becomes of others, or a fixed number of them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from random import Random

from craton.lab.load.alarm import set_alarm
from craton.lab.load.arrivals import Arrival, arrivals
from craton.lab.load.counting import Book, Ended
from craton.lab.load.figures import Load, Stage
from craton.lab.load.site import Site
from craton.lab.load.visitor import Guest, NoAnswer, Unwanted
from craton.lab.scenario import Action, Scenario

LONGEST = 100
"""Characters of a reason why something failed."""


@dataclass
class Play:
    """One load on a site. Visitors keep their cookies and connections for as long as it lasts."""

    scenario: Scenario
    site: Site
    seed: int
    guests: list[Guest] = field(default_factory=list)

    async def open(self, stages: Sequence[Stage], *, warmup: float) -> list[Load]:
        """Arrivals at the rates of the stages. What is due is started then, by a visitor who has nothing to do, or by a
        new one, and counts from when it was due."""
        whole = [Stage(seconds=warmup, rate=stages[0].rate), *stages] if warmup else stages
        idle, going = deque[Guest](), set[asyncio.Task[None]]()
        ends = [0.0, *accumulate(stage.seconds for stage in stages)]
        async with self.booked(ends, warmup) as book:
            with set_alarm() as alarm:
                for arrival in arrivals(whole, tuple(self.scenario.mix.values()), self.seed):
                    await alarm.until(book.zero - warmup + arrival.due)
                    task = asyncio.create_task(self.come(arrival, warmup, idle, book))
                    going.add(task)
                    task.add_done_callback(going.discard)
                await alarm.until(book.zero + ends[-1])
            await asyncio.gather(*going)
        return [book.load(since, until, last=until == ends[-1]) for since, until in pairwise(ends)]

    async def come(self, arrival: Arrival, warmup: float, idle: deque[Guest], book: Book) -> None:
        """One arrival. A new visitor's own arriving is not measured."""
        due, started = arrival.due - warmup, book.now()
        guest, error, lost = idle.popleft() if idle else None, "", 0.0
        if guest is None:
            guest = self.enter(arrival.seed)
            error = await self.arrive(guest)
            lost = book.now() - started
        guest.chance.seed(arrival.seed)
        await self.act(guest, arrival.action, due, started, book, lost=lost, error=error)
        if not error:  # who could not arrive does not stay
            idle.append(guest)

    async def closed(self, count: int, seconds: float, *, warmup: float, think: tuple[float, float]) -> Load:
        """So many visitors, who think, then act, until the time is over: who waits for an answer asks for nothing else
        meanwhile, so that a slow site is asked less."""
        async with self.booked([0.0, seconds], warmup) as book:
            await asyncio.gather(*(self.stay(number, seconds, think, book) for number in range(count)))
        return book.load(0.0, seconds, last=True)

    async def stay(self, number: int, seconds: float, think: tuple[float, float], book: Book) -> None:
        """What one of them does."""
        guest = self.enter(self.seed * 1_000_003 + number)
        weights, chance = tuple(self.scenario.mix.values()), Random(guest.chance.getrandbits(48))
        error, pause = await self.arrive(guest), chance.uniform(0, think[1])
        while book.now() + pause < seconds:
            await asyncio.sleep(pause)
            if (now := book.now()) >= seconds:  # it took longer: what is done now would not count
                return
            [action] = chance.choices(range(len(weights)), weights)
            await self.act(guest, action, now, now, book, error=error)
            error = error and await self.arrive(guest)
            pause = chance.uniform(*think)

    async def act(
        self, guest: Guest, action: int, due: float, started: float, book: Book, *, lost: float = 0.0, error: str = "",
    ) -> None:
        """One action, and how it ended."""
        before = guest.requests, guest.sent, guest.received
        error = error or await outcome(tuple(self.scenario.mix)[action], guest)
        ended = book.now()
        book.all.append(Ended(
            self.scenario.names[action], due, started, ended, ended - due - lost, error, guest.requests - before[0],
            guest.sent - before[1], guest.received - before[2],
        ))

    def enter(self, seed: int) -> Guest:
        """A new visitor."""
        guest = Guest(self.site, seed)
        self.guests.append(guest)
        return guest

    async def arrive(self, guest: Guest) -> str:
        """What a visitor does first; why it failed, "" where it did not."""
        error = await outcome(self.scenario.arrive, guest) if self.scenario.arrive else ""
        return error and f"on arrival: {error}"

    @asynccontextmanager
    async def booked(self, moments: Sequence[float], warmup: float) -> AsyncIterator[Book]:
        """A book whose time begins after the warm-up; processor time is noted at these moments."""
        book, loop = Book(time.monotonic() + warmup), asyncio.get_running_loop()
        timers = [loop.call_later(warmup + moment, book.mark, moment) for moment in moments]
        try:
            yield book
            for moment in moments:
                if moment not in book.processor:  # it ended a moment before
                    book.mark(moment)
            book.visitors = len(self.guests)
        finally:
            for timer in timers:
                timer.cancel()
            for guest in self.guests:
                guest.leave()


async def outcome(action: Action, guest: Guest) -> str:
    """Why an action failed; "" where it was done."""
    try:
        await action(guest)
    except (NoAnswer, Unwanted) as error:
        return str(error)
    except Exception as error:  # of the scenario's own: what it expects of answers, and its bugs
        return f"{type(error).__name__}: {error}"[:LONGEST]
    return ""

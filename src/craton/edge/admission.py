"""Admission: as many requests at once as are answered in good time; a few wait, the others are told so at once.

Whoever takes on all that comes does a little for each, and answers when nobody waits any more. How many there is room
for is found out as TCP does it on a crowded line, from what is seen: the time to the first byte (see Netflix's
concurrency-limits, and the adaptive concurrency of Envoy). Who waits is taken newest first, and not for long once there
are always some who wait (Maurer, "Fail at scale", ACM Queue 2015).
"""

from __future__ import annotations

import asyncio
import math

from craton.edge.problems import Problem

FIRST, LEAST, MOST = 32, 4, 400
"""Requests at once: before anything is known, and at least, and at most."""
GOOD = 0.2
"""Seconds to a first byte, on average, that never mean that there are too many."""
HELPED = 0.8
"""What is left of the time to the first byte at most, where it was the crowd that took it: the room was halved."""
FEWEST = 10
"""Answers by which a room is judged, at least."""
LINGERS = 1.0
"""Seconds after which a request that has no first byte yet counts no more: it waits for something else than its turn,
such as a body that comes slowly, an event, or a service that hangs."""
PATIENCE, HURRY = 1.0, 0.1
"""Seconds that a request waits to be let in: usually, and when for so long there was always somebody who waited."""


class Room:
    """How many requests there is room for: `size`. It grows while it is full and first bytes come in `good` time, and
    is halved where they do not. Where that makes nothing quicker, it was not the crowd: then this is how long they
    take, and the room is as it was."""

    def __init__(self) -> None:
        self.size, self.good = float(FIRST), GOOD
        self.epoch, self.full = 0, False
        self.times: list[float] = []
        self.halved: tuple[float, float] | None = None
        """What it was, and the time to the first byte, before it was halved."""

    def answered(self, epoch: int, seconds: float) -> None:
        """A request that was let in during an epoch took so long. Epochs end when the size is judged: what was let in
        before says nothing about what it is now."""
        if epoch == self.epoch:
            self.times.append(min(seconds, LINGERS))
            if len(self.times) >= max(FEWEST, self.size):
                self.judge(sum(self.times) / len(self.times))

    def judge(self, seconds: float) -> None:
        """Begin a new epoch, with more or less room."""
        halved, full = self.halved, self.full
        self.times, self.halved, self.full = [], None, False
        self.epoch += 1
        if seconds <= self.good:
            self.good = max(GOOD, min(self.good, 4 * seconds))
            self.size = min(MOST, self.size + math.sqrt(self.size)) if full else self.size + (FIRST - self.size) / 4
        elif halved is not None and seconds > HELPED * halved[1]:
            self.size, self.good = halved[0], 2 * seconds
        elif full and self.size > LEAST:
            self.size, self.halved = max(LEAST, self.size / 2), (self.size, seconds)
        elif full:
            self.good = 2 * seconds


class Place:
    """The place of one request inside, until the first byte of its response."""

    __slots__ = ("epoch", "line", "since")

    def __init__(self, line: Line, *, since: float) -> None:
        self.line, self.epoch, self.since = line, line.room.epoch, since

    def leave(self, *, begun: bool) -> None:
        """Make room; once is enough. `begun`: there is a first byte."""
        self.line.leave(self, begun=begun)


class Admission:
    """Lets requests in: in one line those that look at something, in another those that change something. These are
    slowed by each other in the database, long before the processor is busy, which nobody who looks would notice. Not
    `limited`, it lets in all."""

    def __init__(self, *, limited: bool = True) -> None:
        self.looks, self.changes = Line(limited=limited), Line(limited=limited)

    async def enter(self, *, changes: bool) -> Place:
        """A place, for who leaves it in any case. Problem where there is none soon."""
        return await (self.changes if changes else self.looks).enter()


class Line:
    """Requests that share a room. Not `limited`, it has room for all."""

    def __init__(self, *, limited: bool = True) -> None:
        self.limited, self.room = limited, Room()
        self.inside: dict[Place, None] = {}
        self.waiting: dict[asyncio.Future[Place | None], None] = {}
        self.relaxed = -math.inf
        """When there was nobody who waited, the last time."""

    async def enter(self) -> Place:
        """A place, for who leaves it in any case. Problem where there is none soon."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self.waiting:
            self.relaxed = now
        if self.has_room(now):
            return self.take(now)
        self.room.full = True
        patience = PATIENCE if now - self.relaxed < PATIENCE else HURRY
        waiter: asyncio.Future[Place | None] = loop.create_future()
        timer = loop.call_later(patience, self.give_up, waiter)
        self.waiting[waiter] = None
        try:
            place = await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and (place := waiter.result()) is not None:
                place.leave(begun=False)
            raise
        finally:
            self.waiting.pop(waiter, None)
            timer.cancel()
        if place is None:
            raise Problem("not-run", "There is more to do at the moment than can be done: ask again.")
        return place

    def take(self, now: float) -> Place:
        """Let one in."""
        place = Place(self, since=now)
        self.inside[place] = None
        return place

    def has_room(self, now: float) -> bool:
        """Whether one more can be let in, when those who linger do not count."""
        while self.limited and len(self.inside) >= int(self.room.size):
            oldest = next(iter(self.inside))
            if now - oldest.since < LINGERS:
                return False
            self.forget(oldest, now)
        return True

    def forget(self, place: Place, now: float) -> None:
        """Count it no more. How long it took is known, as far as it matters."""
        del self.inside[place]
        self.room.answered(place.epoch, now - place.since)

    def leave(self, place: Place, *, begun: bool) -> None:
        """See `Place.leave`."""
        if place in self.inside:
            now = asyncio.get_running_loop().time()
            if begun and self.limited:
                self.forget(place, now)
            else:
                del self.inside[place]
            self.admit(now)

    def admit(self, now: float) -> None:
        """Let in who can be, the newest first."""
        while self.waiting and self.has_room(now):
            waiter, _ = self.waiting.popitem()
            if not waiter.done():
                waiter.set_result(self.take(now))
        if not self.waiting:
            self.relaxed = now

    def give_up(self, waiter: asyncio.Future[Place | None]) -> None:
        """Its time is over, unless there is room by now."""
        self.admit(asyncio.get_running_loop().time())
        if not waiter.done():
            self.waiting.pop(waiter, None)
            waiter.set_result(None)

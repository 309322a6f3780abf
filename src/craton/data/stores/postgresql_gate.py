"""How many units run at once on PostgreSQL: as many as do not get into each other's way."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

GROWTH = 0.2
"""By how much `room` units without a conflict widen the room."""
PASSED = 4
"""Units that somebody waits for which are let in before one in the background that came first."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One that waits to be let in. `alone`: with nobody else inside; `background`: nobody waits for its answer."""

    alone: bool
    background: bool
    admitted: asyncio.Future[None]


class Gate:
    """Lets in up to `room` at once, the first come first, or one alone. What is done in the background is let in when
    nobody else waits, and after every few who do.

    A conflict halves the room, and each unit that met none widens it again by a little, up to `most`, as TCP does on a
    crowded line (additive increase, multiplicative decrease). SERIALIZABLE transactions of PostgreSQL conflict by pages
    of an index, so that in small tables, or at the end of large ones, all do that run at once; and work that is run
    again is work done twice.
    """

    def __init__(self, most: int) -> None:
        self.most, self.room = most, float(most)
        self.inside, self.occupied = 0, False
        self.waiting, self.background = deque[Ticket](), deque[Ticket]()
        self.passed = 0

    async def enter(self, *, alone: bool, background: bool = False) -> None:
        """Wait for one's turn. One that must be alone, since it lost twice, is the next."""
        ticket = Ticket(alone, background and not alone, asyncio.get_running_loop().create_future())
        queue = self.background if ticket.background else self.waiting
        (queue.appendleft if alone else queue.append)(ticket)
        self.admit()
        try:
            await ticket.admitted
        except asyncio.CancelledError:
            if ticket in queue:
                queue.remove(ticket)
                self.admit()
            else:
                self.leave()
            raise

    def admit(self) -> None:
        """Let in who can be."""
        while (queue := self.next_queue()) and self.fits(queue[0]):
            ticket = queue.popleft()
            self.passed = self.passed + 1 if self.background and not ticket.background else 0
            self.inside += 1
            self.occupied = ticket.alone
            if not ticket.admitted.done():
                ticket.admitted.set_result(None)

    def next_queue(self) -> deque[Ticket]:
        """Whose turn it is."""
        last = self.passed >= PASSED and not (self.waiting and self.waiting[0].alone)
        return self.background if self.background and (last or not self.waiting) else self.waiting

    def fits(self, ticket: Ticket) -> bool:
        """Whether one more may come in."""
        return not self.inside if ticket.alone else not self.occupied and self.inside < int(self.room)

    def leave(self, *, lost: bool = False) -> None:
        """Let the next in. `lost`: it met a conflict."""
        self.room = max(1.0, self.room / 2) if lost else min(self.most, self.room + GROWTH / self.room)
        self.inside -= 1
        self.occupied = False
        self.admit()

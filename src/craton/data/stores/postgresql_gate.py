"""How many units run at once on PostgreSQL: as many as do not get into each other's way."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

GROWTH = 0.2
"""By how much `room` units without a conflict widen the room."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One that waits to be let in. `alone`: with nobody else inside."""

    alone: bool
    admitted: asyncio.Future[None]


class Gate:
    """Lets in up to `room` at once, the first come first, or one alone.

    A conflict halves the room, and each unit that met none widens it again by a little, up to `most`, as TCP does on a
    crowded line (additive increase, multiplicative decrease). SERIALIZABLE transactions of PostgreSQL conflict by pages
    of an index, so that in small tables, or at the end of large ones, all do that run at once; and work that is run
    again is work done twice.
    """

    def __init__(self, most: int) -> None:
        self.most, self.room = most, float(most)
        self.inside, self.occupied = 0, False
        self.waiting: deque[Ticket] = deque()

    async def enter(self, *, alone: bool) -> None:
        """Wait for one's turn. One that must be alone, since it lost twice, is the next."""
        ticket = Ticket(alone, asyncio.get_running_loop().create_future())
        (self.waiting.appendleft if alone else self.waiting.append)(ticket)
        self.admit()
        try:
            await ticket.admitted
        except asyncio.CancelledError:
            if ticket in self.waiting:
                self.waiting.remove(ticket)
                self.admit()
            else:
                self.leave()
            raise

    def admit(self) -> None:
        """Let in who can be."""
        while self.waiting and self.fits(self.waiting[0]):
            ticket = self.waiting.popleft()
            self.inside += 1
            self.occupied = ticket.alone
            if not ticket.admitted.done():
                ticket.admitted.set_result(None)

    def fits(self, ticket: Ticket) -> bool:
        """Whether one more may come in."""
        return not self.inside if ticket.alone else not self.occupied and self.inside < int(self.room)

    def leave(self, *, lost: bool = False) -> None:
        """Let the next in. `lost`: it met a conflict."""
        self.room = max(1.0, self.room / 2) if lost else min(self.most, self.room + GROWTH / self.room)
        self.inside -= 1
        self.occupied = False
        self.admit()

"""Streams over a connection: the side that takes the items says how many more it has room for."""

from __future__ import annotations

import asyncio
from collections import deque

from craton.calls.link import Reply
from craton.calls.links.rpc.frames import FrameError

ITEMS, BYTES = 128, 1 << 20
"""What may be on its way on one stream, or come and not taken: items, and bytes of them (over by one item at most)."""


class Window:
    """How much more the other side may be sent."""

    def __init__(self) -> None:
        self.items, self.bytes = ITEMS, BYTES
        self.wider: asyncio.Future[None] | None = None

    def is_open(self) -> bool:
        """Whether there is room for another item."""
        return self.items > 0 and self.bytes > 0

    def use(self, size: int) -> None:
        """An item was sent."""
        self.items, self.bytes = self.items - 1, self.bytes - size

    def widen(self, items: int, size: int) -> None:
        """Items were taken. Whatever a peer says, there is never more than the whole window."""
        self.items, self.bytes = min(ITEMS, self.items + items), min(BYTES, self.bytes + size)
        if self.wider and not self.wider.done() and self.is_open():
            self.wider.set_result(None)

    async def room(self) -> None:
        """Return when there is room for another item."""
        while not self.is_open():
            self.wider = asyncio.get_running_loop().create_future()
            await self.wider


class Inflow:
    """What has come of one stream: its items, and how it ended. To those who set its end it is like a Future."""

    def __init__(self) -> None:
        self.window = Window()
        self.items: deque[bytes] = deque()
        self.end: Reply | Exception | None = None
        self.more: asyncio.Future[None] | None = None
        self.taken, self.size = 0, 0  # what the other side does not know of yet

    def put(self, item: bytes) -> None:
        """An item came."""
        if not self.window.is_open():
            raise FrameError("it sent more of a stream than there is room for")
        self.window.use(len(item))
        self.items.append(item)
        self.wake()

    def done(self) -> bool:
        """Whether it has ended."""
        return self.end is not None

    def set_result(self, end: Reply) -> None:
        """It ended."""
        self.end = end
        self.wake()

    def set_exception(self, error: Exception) -> None:
        """It broke off."""
        self.end = error
        self.wake()

    def wake(self) -> None:
        """Tell who waits."""
        if self.more and not self.more.done():
            self.more.set_result(None)

    async def next(self) -> bytes | None:
        """The next item; None after the last one. Raises what it broke off with."""
        while not self.items:
            if isinstance(self.end, Exception):
                raise self.end
            if self.end:
                return None
            self.more = asyncio.get_running_loop().create_future()
            await self.more
        return self.items.popleft()

    def room(self, size: int) -> tuple[int, int] | None:
        """An item of this size was taken: what to tell the other side, now and then."""
        self.taken, self.size = self.taken + 1, self.size + size
        if 2 * self.taken < ITEMS and 2 * self.size < BYTES:
            return None
        told, self.taken, self.size = (self.taken, self.size), 0, 0
        self.window.widen(*told)
        return told

"""Bells that have come to a worker, until it asks for them: what it does not ask for in time, others shall have."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from craton.tasks.doorbell import Bell

PATIENCE = 1.0
"""Seconds that a bell may wait for a worker whose slots are all taken, before it goes to others."""


B = TypeVar("B", bound=Bell)


class Arrivals(Generic[B]):
    """What has come for one listener. `wanted` says whether more is to be fetched."""

    def __init__(self) -> None:
        self.come: asyncio.Queue[B | None] = asyncio.Queue()
        self.wanted = asyncio.Event()
        self.asking, self.asked = 0, 0.0
        self.closed = False

    def put(self, bell: B) -> None:
        """It has come."""
        self.come.put_nowait(bell)

    async def get(self) -> B:
        """The next. Raises StopAsyncIteration once closed."""
        self.asking += 1
        self.want()
        try:
            bell = None if self.closed else await self.come.get()
        finally:
            self.asking -= 1
        self.want()
        if bell is None:
            raise StopAsyncIteration
        return bell

    def want(self) -> None:
        """Somebody asks."""
        self.asked = asyncio.get_running_loop().time()
        self.wanted.set()

    def more(self, most: int) -> list[B]:
        """Up to `most` that have come, without waiting."""
        self.want()
        taken: list[B] = []
        while len(taken) < most and not self.come.empty():
            if (bell := self.come.get_nowait()) is not None:
                taken.append(bell)
        return taken

    async def unwanted(self) -> None:
        """Wait until nobody has asked for PATIENCE."""
        loop = asyncio.get_running_loop()
        while self.asking or loop.time() < self.asked + PATIENCE:  # noqa: ASYNC110 - time passes, and no event happens
            await asyncio.sleep(PATIENCE / 2)
        self.wanted.clear()

    async def give_back(self) -> None:
        """Let others have what has come and was not asked for."""
        while not self.come.empty():
            if (bell := self.come.get_nowait()) is not None:
                await bell.back()

    def close(self) -> None:
        """Nothing will come any more."""
        self.closed = True
        self.wanted.clear()
        for _ in range(self.asking):
            self.come.put_nowait(None)

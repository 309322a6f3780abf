"""Running handlers without a new Task for each: a few Tasks lead in turn, as a prototype found it to be right."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Generic, Protocol, TypeVar

IDLE = 64  # Tasks that wait for work, at most
TURN = 64  # pieces of work in one turn of the loop, at most


class Work(Protocol):
    """One piece of work; `task` is the one that does it, once it has begun."""

    task: asyncio.Task[None] | None


W = TypeVar("W", bound=Work)


class Crew(Generic[W]):
    """Tasks that take work in the order in which it comes.

    The leading Task does one piece after the other by plain `await`, so that work which does not suspend needs no Task
    of its own. When it suspends, another one leads from the next turn of the loop on. A Task that was cancelled, or was
    left with other context variables than it began with, retires. `do` never raises but for cancellation.
    """

    def __init__(self, do: Callable[[W], Awaitable[None]]) -> None:
        self.do = do
        self.loop, self.context = asyncio.get_running_loop(), copy_context()
        self.waiting: deque[W] = deque()
        self.idle: list[asyncio.Future[None]] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def put(self, work: W) -> None:
        """Have something done. Where other work waits, somebody has been called already."""
        self.waiting.append(work)
        if len(self.waiting) == 1:
            self.call()

    def call(self) -> None:
        """Call somebody to lead, where there is work."""
        while self.waiting and self.idle:
            called = self.idle.pop()
            if not called.done():  # else its Task was cancelled
                called.set_result(None)
                return
        if self.waiting:
            task = self.loop.create_task(self.lead(), context=self.context.copy())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def lead(self) -> None:
        """The life of one Task."""
        me, clean = asyncio.current_task(), True
        assert me
        while clean:
            done = 0
            while self.waiting and clean:
                work = self.waiting.popleft()
                if not done and self.waiting:
                    self.loop.call_soon(self.call)  # in case that this one suspends
                done, work.task = done + 1, me
                await self.do(work)
                clean = not me.cancelling() and self.is_unchanged()
                if done % TURN == 0:
                    await asyncio.sleep(0)
            if clean := clean and len(self.idle) < IDLE:
                called = self.loop.create_future()
                self.idle.append(called)
                await called
        self.call()

    def is_unchanged(self) -> bool:
        """Whether the present Task has the context variables that it began with."""
        try:
            return copy_context() == self.context
        except Exception:  # of values that cannot be compared, such as arrays
            return False

    async def close(self) -> None:
        """Let go of those that wait for work."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

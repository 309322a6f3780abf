"""`Call`: what an implementation may know of the call in progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from craton.calls.context import CONTEXT, Caller, context
from craton.errors import OutcomeUnknown


class Call:
    """The call in progress: ask for it in `__init__`. Outside a call it knows a caller without name or roles."""

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return CONTEXT.get().caller

    @property
    def key(self) -> str:
        """The call's idempotency key, to give to the outside world; empty where the call has none."""
        return CONTEXT.get().key or ""

    @property
    def left(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return CONTEXT.get().left()

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """A shorter deadline for what is asked in an `async with` block: OutcomeUnknown where it has passed. Use it
        where an answer is worth having only soon."""
        left, now = self.left, asyncio.get_running_loop().time()
        deadline = now + (seconds if left is None else min(seconds, left))
        try:
            with context(deadline=deadline):
                async with asyncio.timeout_at(deadline):
                    yield
        except TimeoutError as error:
            raise OutcomeUnknown(f"there was no answer within {seconds:g} s.") from error

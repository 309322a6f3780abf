"""A stream that is made step by step, while others take what it yields."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from craton.calls.context import CONTEXT
from craton.errors import OutcomeUnknown


class Steps:
    """The items of a query that streams. Each step runs in the context of the call that began it, and within its
    deadline, whichever task takes it; between steps nothing of the call is in force.
    """

    def __init__(self, name: str, items: AsyncIterator[Any]) -> None:
        self.name, self.items, self.now = name, items, CONTEXT.get()

    def __aiter__(self) -> Steps:
        return self

    async def __anext__(self) -> Any:
        token, time = CONTEXT.set(self.now), asyncio.timeout_at(self.now.deadline)
        try:
            async with time:
                return await anext(self.items)
        except TimeoutError as error:
            if not time.expired():
                raise
            raise OutcomeUnknown(f"{self.name}: its deadline passed before its end.") from error
        finally:
            CONTEXT.reset(token)

    async def aclose(self) -> None:
        """End it, wherever it is."""
        token = CONTEXT.set(self.now)
        try:
            if hasattr(self.items, "aclose"):  # an implementation may return any iterator
                await self.items.aclose()
        finally:
            CONTEXT.reset(token)

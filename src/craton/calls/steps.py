"""A stream that is made step by step, while others take what it yields."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, cast

from craton.calls.ahead import Ahead
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
        deadline, token = self.now.deadline, CONTEXT.set(self.now)
        try:
            if deadline is None:
                return await anext(self.items)
            if asyncio.get_running_loop().time() >= deadline:
                raise self.late()
            step = Ahead(cast("Coroutine[Any, Any, Any]", anext(self.items)))
            return step.result if step.done else await self.in_time(step, deadline)
        finally:
            CONTEXT.reset(token)

    async def in_time(self, step: Ahead[Any], deadline: float) -> Any:
        """A step that has to wait for something."""
        time = asyncio.timeout_at(deadline)
        try:
            async with time:
                return await step
        except TimeoutError as error:
            if time.expired():
                raise self.late() from error
            raise

    def late(self) -> OutcomeUnknown:
        """What to say when there is no time left."""
        return OutcomeUnknown(f"{self.name}: its deadline passed before its end.")

    async def aclose(self) -> None:
        """End it, wherever it is."""
        token = CONTEXT.set(self.now)
        try:
            if close := getattr(self.items, "aclose", None):  # an implementation may return any iterator
                await close()
        finally:
            CONTEXT.reset(token)

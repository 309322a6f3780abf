"""Waiting in tests for what will soon be true, and failing when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], bool], *, seconds: float = 5) -> None:
    """Return as soon as it is true; TimeoutError when it is not by then."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # what is waited for happens in code that offers no event
            await asyncio.sleep(0.005)

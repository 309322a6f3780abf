"""The lifespan of an ASGI application: started with its service, and shut down with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Message

from craton.errors import SettingsError

log = logging.getLogger(__name__)
STOPPING = 10.0
"""Seconds that an application has for its shutdown."""


class Lifespan:
    """One run of an application's lifespan, in a task of its own. An application without one raises at once, or
    returns: that is its right."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self.app, self.name = app, name
        self.told, self.said = asyncio.Queue[Message](), asyncio.Queue[Message]()
        self.state: dict[str, Any] = {}
        self.running = asyncio.create_task(self.run(), name=f"{name} lifespan")

    async def run(self) -> None:
        """Give it its scope."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self.app(scope, self.told.get, self.said.put)

    async def say(self, kind: str) -> Message | None:
        """Tell it something; its answer, or None where it ended without one."""
        await self.told.put({"type": f"lifespan.{kind}"})
        answer = asyncio.create_task(self.said.get())
        await asyncio.wait({answer, self.running}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done() or not self.said.empty():
            return await answer
        answer.cancel()
        return None

    async def start(self) -> None:
        """SettingsError where it says that it cannot start."""
        answer = await self.say("startup")
        if answer and answer["type"] == "lifespan.startup.failed":
            await asyncio.wait({self.running})
            error = None if self.running.cancelled() else self.running.exception()
            log.error("module %s: %s", self.name, answer.get("message", ""), exc_info=error)
            why = repr(error) if error else answer.get("message") or "it did not say why"
            raise SettingsError(f"module {self.name}: its ASGI application did not start: {why}") from error

    async def stop(self) -> None:
        """Let it shut down, and end it where it does not."""
        if not self.running.done():
            await asyncio.wait({asyncio.create_task(self.say("shutdown"))}, timeout=STOPPING)
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


@asynccontextmanager
async def lifespan(app: ASGIApp, name: str) -> AsyncIterator[dict[str, Any]]:
    """Run an application's lifespan; gives the state that its requests share."""
    life = Lifespan(app, name)
    try:
        await life.start()
        yield life.state
    finally:
        await life.stop()

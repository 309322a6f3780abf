"""Where a process answers workers over HTTP, for the controllers of its modules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from craton.errors import NotRun
from craton.tasks.control import Control
from craton.tasks.door import Door, token_of
from craton.tasks.messages import Report, Requested, Take, Verdict
from craton.tasks.together import Together

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from craton.run.process import Process


class Leaving:
    """A Control that can be told that its process stops: then who waits for jobs is sent to others."""

    def __init__(self, control: Control) -> None:
        self.control, self.left = control, False
        self.taking: set[asyncio.Task[list[Requested]]] = set()

    async def take(self, asked: Take) -> list[Requested]:
        """See `Control.take`."""
        if self.left:
            raise NotRun("this process stops: ask another one.")
        taking = asyncio.create_task(self.control.take(asked))
        self.taking.add(taking)
        taking.add_done_callback(self.ended)
        try:
            return await taking
        except asyncio.CancelledError:
            if self.left:
                raise NotRun("this process stops: ask another one.") from None
            raise

    def ended(self, taking: asyncio.Task[list[Requested]]) -> None:
        """Forget what was asked; whoever asked may have gone, and then nobody else looks at its error."""
        self.taking.discard(taking)
        if not taking.cancelled():
            taking.exception()

    async def report(self, reports: Sequence[Report]) -> list[Verdict]:
        """See `Control.report`."""
        return await self.control.report(reports)

    def leave(self) -> None:
        """Give out no more jobs."""
        self.left = True
        for taking in self.taking:
            taking.cancel()


@asynccontextmanager
async def serve_jobs(process: Process, address: str) -> AsyncIterator[int]:
    """Answer workers at "host:port", for all controllers of a process; gives the port."""
    from craton.edge.server import serve_http

    control = Leaving(Together(process.controllers))
    door = cast("ASGIApp", Door(control, token_of(process.secret)))
    async with serve_http(door, address) as port:
        try:
            yield port
        finally:
            control.leave()

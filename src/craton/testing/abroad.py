"""A program in another language, kept running for a test."""

from __future__ import annotations

import asyncio
import logging
from typing import Self

from craton.run.child import Child, Program

log = logging.getLogger("craton.testing")


class Abroad:
    """A service of a topology that has a command: entered when it is ready. It starts again when it dies; `child.pid`
    is its process."""

    def __init__(self, program: Program) -> None:
        self.child = Child(program, log_line, patience=10)

    async def __aenter__(self) -> Self:
        self.task = asyncio.get_running_loop().create_task(self.child.run(), name=self.child.name)
        ready = asyncio.get_running_loop().create_task(self.child.ready.wait())
        await asyncio.wait({self.task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            ready.cancel()
            self.task.result()  # raises GivenUp
        return self

    async def __aexit__(self, *error: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def log_line(name: str, line: str) -> None:
    """What it says."""
    log.info("%s: %s", name, line)

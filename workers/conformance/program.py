"""The worker that is tried: started as a process of its own, configured by its environment alone."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Self

from workers.conformance.controller import PATIENCE


class Program:
    """One process of a worker. `output`: what it has written, to both of its outputs."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.command, self.environment = command, environment
        self.output = ""

    async def __aenter__(self) -> Self:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CRATON_")}
        self.process = await asyncio.create_subprocess_exec(
            *self.command, env=kept | dict(self.environment), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )
        self.reading = asyncio.create_task(self.read())
        return self

    async def __aexit__(self, *error: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        self.reading.cancel()
        await asyncio.gather(self.reading, return_exceptions=True)

    async def read(self) -> None:
        """Keep what it writes."""
        assert self.process.stdout
        while block := await self.process.stdout.read(65536):
            self.output += block.decode(errors="replace")

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.returncode is None

    def signal(self, sign: signal.Signals) -> None:
        """Send it a signal; its children get none."""
        with suppress(ProcessLookupError):
            self.process.send_signal(sign)

    async def ended(self) -> int:
        """Wait until it has ended by itself; its exit status."""
        async with asyncio.timeout(PATIENCE):
            status = await self.process.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):  # children that it left may still hold its output open
                await asyncio.shield(self.reading)
        return status


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for yet does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False

"""`craton ...` in a process of its own, as people and containers start it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from tests.until import until


class Command:
    """A command that runs, and what it has printed so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process, self.lines = process, list[str]()
        self.reading = asyncio.create_task(self.read())

    async def read(self) -> None:
        """Keep what it prints."""
        assert self.process.stdout
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip())

    @property
    def text(self) -> str:
        """All it has printed."""
        return "\n".join(self.lines)

    async def says(self, pattern: str, *, times: int = 1, seconds: float = 60) -> re.Match[str]:
        """Wait until it has printed this so many times; the last match."""
        with suppress(TimeoutError):
            await until(lambda: self.reading.done() or len(re.findall(pattern, self.text)) >= times, seconds=seconds)
        found = list(re.finditer(pattern, self.text))
        assert len(found) >= times, f"waited for {pattern!r}, {times} times, in:\n{self.text}"
        return found[-1]

    async def end(self, with_signal: signal.Signals = signal.SIGINT) -> int:
        """Ask it to stop; its exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(with_signal)
        return await self.ended()

    async def ended(self) -> int:
        """Wait until it has stopped; its exit code."""
        async with asyncio.timeout(60):
            code = await self.process.wait()
            await self.reading
            return code


@asynccontextmanager
async def craton(*arguments: str, environ: Mapping[str, str] | None = None) -> AsyncIterator[Command]:
    """The command with these arguments."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "craton", *arguments, env={**os.environ, **(environ or {})},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )
    command = Command(process)
    try:
        yield command
    except BaseException:
        print(command.text)
        raise
    finally:
        if process.returncode is None:
            await command.end(signal.SIGTERM)

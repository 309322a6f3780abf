"""The mill as it runs in a test, with its workers."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from craton import JobStatus
from craton.testing.start import Running, calling
from tests.tasks.mill.contract import Bakery, Grain, Mill
from tests.until import until


class Yard:
    """Submits jobs, and looks what becomes of them. `marks`: what their handlers noted."""

    def __init__(self, running: Running, folder: Path) -> None:
        self.running, self.file = running, folder / "marks"
        self.mill, self.bakery = running.get(Mill), running.get(Bakery)

    @property
    def marks(self) -> list[str]:
        """What was noted, in order."""
        return self.file.read_text().split("\n")[:-1] if self.file.exists() else []

    async def submit(self, task: str, how: str = "", *, seconds: float = 0.0) -> str:
        """A job."""
        with calling():
            return await self.mill.submit(task, Grain(how, seconds, str(self.file)))

    async def cancel(self, job: str) -> None:
        """Cancel one."""
        with calling():
            assert await self.mill.cancel(job)

    async def status(self, job: str) -> JobStatus:
        """How far it is."""
        with calling():
            found = await (self.mill.status(job) if await self.mill.status(job) else self.bakery.baked(job))
        assert found
        return found

    async def becomes(self, job: str, *states: str, seconds: float = 60) -> JobStatus:
        """The job once it is in one of these states."""
        async with asyncio.timeout(seconds):
            while (found := await self.status(job)).state not in states:  # noqa: ASYNC110  # it is elsewhere
                await asyncio.sleep(0.02)
        return found

    async def ends(self, job: str) -> JobStatus:
        """The job once it has ended."""
        return await self.becomes(job, "done", "failed", "cancelled", "expired")

    async def do(self, task: str, how: str = "", **options: Any) -> JobStatus:
        """A job, from its beginning to its end."""
        return await self.ends(await self.submit(task, how, **options))

    async def sees(self, mark: str, *, seconds: float = 60) -> str:
        """The first mark that begins so, once it is there."""
        await until(lambda: any(m.startswith(mark) for m in self.marks), seconds=seconds)
        return next(m for m in self.marks if m.startswith(mark))


def lives(pid: int) -> bool:
    """Whether a process runs."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" and os.path.exists(f"/proc/{pid}")

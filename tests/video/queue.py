"""The jobs of transcoding as the database has them: who had them, when, and how they ended."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from sqlalchemy import select, update

from apps.video.transcoding.scratch import PREFIX
from craton.data.store import Unit, transact
from craton.data.tables import tables_of
from craton.run.process import Process
from tests.video.cinema import Cinema

JOB = tables_of("transcoding").job
IN_ORDER = select(JOB).order_by(JOB.c.rank)


class Queue:
    """The jobs of transcoding in a running application."""

    def __init__(self, cinema: Cinema) -> None:
        self.cinema = cinema

    @property
    def process(self) -> Process:
        """The process that keeps them."""
        return self.cinema.running.processes[self.cinema.running.topology.home_of("transcoding").name]

    async def jobs(self, *states: str) -> Sequence[Any]:
        """Those in some states, or all; in the order in which they are to be given out."""
        rows = (await self.process.store.read("transcoding", IN_ORDER)).all()
        return [row for row in rows if not states or row.state in states]

    async def has(self, count: int, task: str, *states: str) -> bool:
        """Whether there are so many jobs of a task in some states."""
        return [row.task for row in await self.jobs(*states)].count(task) >= count

    async def is_still(self) -> bool:
        """Whether no worker has a job."""
        return not await self.jobs("leased")

    async def is_cleared(self, films: int) -> bool:
        """Whether nothing is left to be done, and no file but so many editions and uploads, each of one attempt."""
        attempts = {tuple(path.split("/")[:3]) for path in await self.cinema.all_files()}
        found = Counter(module for module, *_ in attempts)
        return found == {"transcoding": films, "uploads": films} and not await self.jobs("queued", "leased")

    async def pass_time(self, job: str, seconds: float) -> None:
        """Let so many seconds pass for a job that waits."""
        earlier = {name: JOB.c[name] - seconds for name in ("due", "rank", "created", "updated")}
        change = update(JOB).where(JOB.c.id == job).values(earlier)

        async def body(unit: Unit) -> None:
            await unit.execute("transcoding", change)

        await transact(self.process.store, "transcoding", body)


def busy(cinema: Cinema) -> int:
    """How many workers have a job just now."""
    return sum(bool(worker.running) for pool in cinema.running.pools.values() for worker in pool.workers)


def tasks_of(jobs: Iterable[Any]) -> Counter[tuple[str, str]]:
    """How many there are of each task and state, but for those that clear away."""
    return Counter((job.task, job.state) for job in jobs if job.task != "remove")


def done(*, films: int) -> dict[tuple[str, str], int]:
    """The same, when so many films of two pieces were made."""
    each = dict.fromkeys(("inspect", "hear", "depict", "assemble", "finish"), 1) | {"encode": 2}
    return {(task, "done"): count * films for task, count in each.items()}


def left_on_the_disk() -> list[Path]:
    """The folders that jobs of this process have for their files."""
    return list(Path(gettempdir()).glob(f"{PREFIX}{os.getpid()}-*"))

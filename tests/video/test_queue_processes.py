"""V14 in real processes: workers are added, asked to stop, and killed, while films are made."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from apps.video.transcoding.scratch import PREFIX
from craton.blobs import open_blobs
from craton.testing.processes import Processes, start_processes
from tests.run.running import craton
from tests.video.cinema import LIMIT, Cinema, Person, TestClock, until
from tests.video.clips import clip
from tests.video.queue import Queue, done, tasks_of

ENVIRON = {
    "CRATON_JOB_LEASE": "2", "CRATON_WORKER_GRACE": "0.2", "CRATON_TRANSCODING_SEGMENT": "1",
    "CRATON_TRANSCODING_SEGMENTS": "1",
}
NIGHTLY = [pytest.param(name, marks=pytest.mark.chaos) for name in ("monolith", "microservices")]
BACKLOG = 3
"""Jobs that are always waiting while workers come and go."""
Signal = Callable[[signal.Signals], object]


class Watched(Queue):
    """The jobs of processes of their own."""

    def __init__(self, cinema: Cinema, file: str) -> None:
        super().__init__(cinema)
        self.file = file

    async def jobs(self, *states: str) -> Sequence[Any]:
        """See Queue."""
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [SimpleNamespace(**row) for row in connection.execute("SELECT * FROM transcoding_job ORDER BY rank")]
        return [row for row in rows if not states or row.state in states]

    async def caught(self, worker: str, send: Signal) -> set[str]:
        """Freeze a worker while it has jobs that others would have to do again; which these are."""
        found: set[str] = set()

        async def is_caught() -> bool:
            nonlocal found
            send(signal.SIGSTOP)
            before = await self.held(worker)
            await asyncio.sleep(0.1)  # what it has said may still be on its way
            found = before & await self.held(worker)
            if not found:
                send(signal.SIGCONT)
            return bool(found)

        await until(is_caught, seconds=LIMIT)
        return found

    async def held(self, worker: str) -> set[str]:
        """The jobs that a worker has."""
        return {job.id for job in await self.jobs("leased") if job.worker.startswith(worker) and job.task != "remove"}


class Rush:
    """Films that come faster than they are made."""

    def __init__(self, cinema: Cinema, queue: Queue) -> None:
        self.cinema, self.queue, self.films = cinema, queue, list[tuple[Person, str]]()
        self.over = False

    async def upload(self) -> None:
        """One more."""
        person = self.cinema.person()
        self.films.append((person, await self.cinema.uploaded(person, clip("plain"))))

    async def go_on(self) -> None:
        """See to it that there is enough to do."""
        while not self.over:
            if len(await self.queue.jobs("queued")) < BACKLOG:
                await self.upload()
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """While the block runs."""
        going = asyncio.create_task(self.go_on())
        try:
            yield
        finally:
            self.over = True
            await going


@asynccontextmanager
async def opened(topology: str, data: Path) -> AsyncIterator[tuple[Processes, Cinema]]:
    """The application as `craton run` starts it."""
    async with start_processes("apps.video", topology=topology, data=data) as processes:
        async with httpx.AsyncClient(base_url=processes.url, timeout=60) as http:
            yield processes, Cinema(processes, http, open_blobs(f"file://{data}/blobs"), TestClock())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("topology", ["hybrid", *NIGHTLY])
async def test_every_film_is_made_once_though_workers_are_added_stopped_and_killed(
    topology: str, quick: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, temporary = quick / "data", quick / "temporary"
    temporary.mkdir()
    for name, text in {**ENVIRON, "TMPDIR": str(temporary)}.items():
        monkeypatch.setenv(name, text)
    async with opened(topology, data) as (processes, cinema):
        home = processes.topology.home_of("transcoding").name
        queue = Watched(cinema, processes.plan.databases()[home].removeprefix("sqlite:///"))
        rush = Rush(cinema, queue)
        async with rush.going_on(), craton("worker", "apps.video", "--pool", "cpu", "--data", str(data)) as added:
            await added.says("ready: ")
            await queue.caught(f"cpu-{os.uname().nodename[:40]}", added.process.send_signal)
            added.process.send_signal(signal.SIGTERM)
            assert await added.end(signal.SIGCONT) == 0
            struck = await queue.caught("cpu-1-", partial(send, processes))
            send(processes, signal.SIGKILL)
        await rush.upload()
        for person, video in rush.films:
            assert (await cinema.ended(person, video)).stage == "published"
        await until(lambda: queue.is_cleared(len(rush.films)), seconds=LIMIT)
        jobs = await queue.jobs()
        assert tasks_of(jobs) == done(films=len(rush.films))
        assert struck & {job.id for job in jobs if job.attempt - job.released > 1}  # begun again, and ended once
    assert not list(temporary.glob(f"{PREFIX}*"))


def send(processes: Processes, what: signal.Signals) -> None:
    """Signal the first worker of the pool."""
    name = "cpu" if "cpu" in processes.children else "cpu.1"
    assert processes.kill(name, with_signal=what)

"""V14: who goes first and who never waits for ever; workers that come and go while jobs run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from craton.pools import Pool
from tests.video.cinema import LIMIT, ORDINARY, Cinema, Structure, open_cinema, until
from tests.video.clips import clip, junk
from tests.video.queue import Queue, busy, done, left_on_the_disk, tasks_of

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("structure", [s for s in ORDINARY if s != Structure("monolith", "wire")], ids=str),
]
SPLIT = (Pool("joining", ("files",)), Pool("cpu", ("media", "transcode")))
"""One worker for what was uploaded, and one for what is made of it, which does one job after the other."""
FOUR = tuple(Pool(f"cpu{number}", ("files", "media", "transcode")) for number in range(1, 5))
STEP = 60
"""Seconds of waiting that count as much as one step of priority."""


def opened(structure: Structure, data: Path, pools: tuple[Pool, ...]) -> AbstractAsyncContextManager[Cinema]:
    """The application with these workers, for whom each second of a film is a piece."""
    pieces = dict(CRATON_TRANSCODING_SEGMENT="1", CRATON_TRANSCODING_SEGMENTS="1")
    return open_cinema(structure, data=data, pools=pools, **pieces)  # type: ignore[arg-type]


async def test_the_urgent_goes_first_and_what_has_waited_long_before_it(structure: Structure, quick: Path) -> None:
    """Somebody floods the application with files that are to be inspected, which is urgent, while a film waits."""
    async with opened(structure, quick, SPLIT) as cinema:
        queue, ann = Queue(cinema), cinema.person()
        video = await cinema.uploaded(ann, clip("plain"))
        await until(lambda: queue.has(1, "encode", "queued"))
        await cinema.running.close("cpu")
        await until(queue.is_still)  # what ran was given back
        films = await queue.jobs("queued")
        others = [(bob := cinema.person(), await cinema.uploaded(bob, junk())) for _ in range(4)]
        await until(lambda: queue.has(4, "inspect", "queued"))
        known = {job.id for job in films}
        flood = [job for job in await queue.jobs("queued") if job.id not in known]
        assert {job.priority for job in films} == {0} and {job.priority for job in flood} == {5}
        *rest, nearly, late = films
        await queue.pass_time(late.id, 5 * STEP + 30)
        await queue.pass_time(nearly.id, 5 * STEP - 30)
        await cinema.running.open("cpu")
        assert (await cinema.ended(ann, video)).stage == "published"
        assert {(await cinema.ended(bob, wrong)).stage for bob, wrong in others} == {"refused"}
        order, first = begun(await queue.jobs(), among=(*films, *flood)), [late, *flood, nearly]
        assert order[:len(first)] == [job.id for job in first]
        assert {*order[len(first):]} == {job.id for job in rest}  # which were stored at the same moment


def begun(jobs: Sequence[Any], *, among: Sequence[Any]) -> list[str]:
    """Some jobs, in the order in which they were begun."""
    wanted = {job.id for job in among}
    return [job.id for job in sorted((job for job in jobs if job.id in wanted), key=lambda job: job.started)]


async def test_as_many_jobs_run_at_once_as_there_are_workers_who_come_and_go(
    structure: Structure, quick: Path,
) -> None:
    async with opened(structure, quick, FOUR) as cinema:
        queue = Queue(cinema)
        for pool in FOUR[1:]:
            await cinema.running.close(pool.name)
        owners = [cinema.person() for _ in range(3)]
        videos = await asyncio.gather(*(cinema.uploaded(one, clip("plain")) for one in owners))
        for workers, pool in enumerate(FOUR, 1):
            if workers > 1:
                await cinema.running.open(pool.name)
            await until(partial(are_busy, cinema, workers), pause=0.005)
        for pool in FOUR[:2]:  # which have jobs, and give them back
            await cinema.running.close(pool.name)
        for owner, video in zip(owners, videos, strict=True):
            assert (await cinema.ended(owner, video)).stage == "published"
            await check_jobs(queue, video)
        await until(lambda: queue.is_cleared(len(videos)), seconds=LIMIT)
        await until(partial(are_busy, cinema, 0))
        assert not left_on_the_disk()


async def are_busy(cinema: Cinema, workers: int) -> bool:
    """Whether so many workers have a job at the same time."""
    return busy(cinema) == workers


async def check_jobs(queue: Queue, video: str) -> None:
    """Each job of a video ended once, in the one attempt that was not given back."""
    jobs = [job for job in await queue.jobs() if job.input.startswith(f'{{"video":"{video}"')]
    assert tasks_of(jobs) == done(films=1)
    assert {job.attempt - job.released for job in jobs} == {1}

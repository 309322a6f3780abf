"""ffmpeg as a child: within limits, and gone with whoever started it, with the files it had."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from apps.video.transcoding import scratch
from apps.video.transcoding.media import tools
from apps.video.transcoding.media.inspecting import READ
from apps.video.transcoding.media.tools import MediaError, ffmpeg
from tests.video.cinema import until
from tests.video.clips import REFUSED

ENDLESS = ("-re", "-f", "lavfi", "-i", "testsrc2=s=64x64", "-f", "null", "-")
START = f"""
import asyncio
from apps.video.transcoding.media.tools import ffmpeg
async def heard(frames): print(frames, flush=True)
asyncio.run(ffmpeg(*{ENDLESS!r}, heard=heard))
"""


def children_of(process: int) -> list[int]:
    """The processes that a process has started."""
    listed = Path(f"/proc/{process}/task/{process}/children")
    return [int(number) for number in listed.read_text().split()] if listed.exists() else []


async def is_gone(process: int) -> bool:
    """Whether a process has ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]  # noqa: ASYNC240
    except FileNotFoundError:
        return True
    return state == "Z"  # nobody has asked for its end yet


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells a process that its parent died")
async def test_ffmpeg_dies_with_a_worker_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE, cwd=Path.cwd()) as worker:  # noqa: ASYNC220
        assert worker.stdout is not None
        await asyncio.to_thread(worker.stdout.readline)
        (child,) = children_of(worker.pid)
        worker.kill()
        await until(lambda: is_gone(child))


async def test_ffmpeg_dies_with_a_job_that_is_cancelled() -> None:
    begun = asyncio.Event()

    async def heard(frames: int) -> None:
        begun.set()

    job = asyncio.create_task(ffmpeg(*ENDLESS, heard=heard))
    await begun.wait()
    (child,) = [pid for pid in children_of(os.getpid()) if b"testsrc2" in command_of(pid)]
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert await is_gone(child)


def command_of(process: int) -> bytes:
    """The command line of a process."""
    return Path(f"/proc/{process}/cmdline").read_bytes()


async def test_what_wants_too_much_memory_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    large = ("-f", "lavfi", "-i", "testsrc2=s=7680x4320:d=1", "-c:v", "libx264", "-f", "null", "-")
    monkeypatch.setattr(tools, "MEMORY", 600 << 20)
    with pytest.raises(MediaError):
        await ffmpeg(*large)
    assert await ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.2", "-f", "null", "-") == 5


async def test_uploads_cannot_have_ffmpeg_open_other_files(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="whitelist"):
        await ffmpeg(*READ, "-i", str(REFUSED["playlist"](tmp_path)), "-f", "null", "-")


def test_folders_of_killed_processes_go_and_those_of_others_stay(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        ended.wait()
    ours, theirs = tmp_path / f"{scratch.PREFIX}{os.getpid()}-a", tmp_path / f"{scratch.PREFIX}{ended.pid}-b"
    other = tmp_path / f"{scratch.PREFIX}of-somebody"
    for folder in (ours, theirs, other):
        folder.mkdir()
        (folder / "piece.mp4").touch()
    scratch.remove_orphans(tmp_path)
    assert ours.exists() and other.exists() and not theirs.exists()

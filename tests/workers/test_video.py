"""Workers in Node.js and Java encode a piece of a video exactly as ffmpeg does for workers in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.video.transcoding.media.tools import ffmpeg
from tests.video.clips import pattern
from tests.workers.java import compile_worker
from tests.workers.test_conformance import ROOT
from workers.conformance.kit import Kit

COMMANDS = {
    "node": ["node", f"{ROOT}/workers/node/bin/craton-worker.js", f"{ROOT}/apps/video/workers/node/video.js"],
    "java": [f"{ROOT}/workers/java/craton-worker", f"{ROOT}/apps/video/workers/java/Video.java"],
}
BEFORE = ("-ss", "0.4")
AFTER = ("-an", "-frames:v", "20", "-vf", "scale=80:60", "-c:v", "libx264", "-preset", "ultrafast", "-threads", "1")
CHUNK: dict[str, Any] = {
    "video": "video-1", "rendition": "60p", "index": 7, "source": "uploads/clip.mp4", "before": BEFORE, "after": AFTER,
    "frames": 20,
}
NAMED = {"taskname": "transcoding.encode"}


@pytest.fixture(autouse=True, scope="module")
def compiled() -> None:
    """The worker in Java, before the clock runs."""
    compile_worker(COMMANDS["java"])


@pytest.mark.parametrize("worker", COMMANDS)
async def test_a_piece_is_the_same_whoever_encodes_it(worker: str, tmp_path: Path) -> None:
    async with Kit(COMMANDS[worker]) as kit:
        source = kit.folder / "blobs" / "uploads" / "clip.mp4"
        source.parent.mkdir(parents=True)
        pattern(source)
        expected = tmp_path / "piece.mp4"
        frames = await ffmpeg(*BEFORE, "-i", str(source), *AFTER, str(expected))
        job = await kit.offer("encode", CHUNK, **NAMED)
        result = (await job.ended("succeeded"))["result"]
        path = f"{job.folder()}/60p-00007.mp4"
        assert result == {
            "rendition": "60p", "index": 7, "path": path, "frames": frames, "size": expected.stat().st_size,
        }
        assert frames == 20
        assert (kit.folder / "blobs" / path).read_bytes() == expected.read_bytes()
        kit.check_up()


@pytest.mark.parametrize("worker", COMMANDS)
async def test_a_piece_that_cannot_be_encoded_fails_and_says_why(worker: str) -> None:
    async with Kit(COMMANDS[worker]) as kit:
        source = kit.folder / "blobs" / "uploads" / "clip.mp4"
        source.parent.mkdir(parents=True)
        source.write_bytes(b"no video at all")
        job = await kit.offer("encode", CHUNK, **NAMED)
        assert "Invalid data" in (await job.ended("failed"))["message"]
        assert not list((kit.folder / "blobs").glob("kit/*/*/*"))
        kit.check_up()

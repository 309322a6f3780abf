"""The unmodified tuspy client, over a socket; and connections that break in the middle."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tusclient.client import TusClient

from craton.edge.server import serve_http
from tests.video.cinema import MP4, ORDINARY, PART, Cinema, Person, until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("cinema", [ORDINARY[0], ORDINARY[-1]], ids=str, indirect=True),
]
SENT = MP4 + os.urandom(200_000)


def upload(url: str, headers: dict[str, str], file: Path, *, chunk: int, stop: int | None = None) -> str:
    """Upload a file with tuspy, up to a byte; where it is."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with file.open("rb") as stream:
        uploader = TusClient(f"{url}/files/", headers=headers).uploader(
            file_stream=stream, chunk_size=chunk, upload_checksum=True,
            metadata={"filename": file.name, "filetype": "video/mp4", "title": "From tuspy", "sha256": digest},
        )
        uploader.upload(stop_at=stop)
        return str(uploader.url)


def resume(url: str, place: str, headers: dict[str, str], file: Path) -> None:
    """Go on where the server says, in one request."""
    with file.open("rb") as stream:
        TusClient(f"{url}/files/", headers=headers).uploader(file_stream=stream, url=place).upload()


async def test_tuspy_uploads_stops_and_goes_on(cinema: Cinema, tmp_path: Path) -> None:
    ann, file = cinema.person(), tmp_path / "film.mp4"
    file.write_bytes(SENT)
    async with serve_http(cinema.running.edge, "127.0.0.1:0", drain=1) as port:
        url = f"http://127.0.0.1:{port}"
        place = await asyncio.to_thread(upload, url, ann.headers, file, chunk=30_000, stop=90_000)
        path = urlsplit(place).path
        assert await cinema.offset(ann, path) == 90_000
        await asyncio.to_thread(resume, url, place, ann.headers, file)
    video = await cinema.video_of(ann, path)
    assert await cinema.state_is(ann, video, "uploaded", "transcoding", "failed")
    sources = [one for one in await cinema.all_files() if one.endswith("/source")]
    assert SENT in [await cinema.blobs.get(one) for one in sources]


async def test_what_came_before_a_connection_broke_is_kept(cinema: Cinema) -> None:
    ann = cinema.person()
    place = await cinema.place(ann, len(SENT))
    async with serve_http(cinema.running.edge, "127.0.0.1:0", drain=1) as port:
        lines = {
            "Host": "cinema", "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Length": str(len(SENT)),
            "Content-Type": "application/offset+octet-stream", **ann.headers,
        }
        head = "".join(f"{name}: {text}\r\n" for name, text in lines.items())
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"PATCH {place} HTTP/1.1\r\n{head}\r\n".encode() + SENT[:3 * PART + 1000])
        await writer.drain()
        await until(lambda: at_least(cinema, place, 3 * PART))  # what makes a part is there while the rest comes
        writer.close()
        await until(lambda: at_least(cinema, place, 3 * PART + 1000))  # and the rest when it has broken off
        await writer.wait_closed()
    await until(lambda: has_come(cinema, ann, place, 3 * PART + 1000))
    again = await cinema.patch(ann, place, 3 * PART + 1000, SENT[3 * PART + 1000:])
    assert again.status_code == 204 and again.headers["upload-offset"] == str(len(SENT))


async def has_come(cinema: Cinema, person: Person, place: str, count: int) -> bool:
    """Whether so many bytes of an upload are recorded."""
    return await cinema.offset(person, place) == count


async def at_least(cinema: Cinema, place: str, least: int) -> bool:
    """Whether so many bytes of an upload are in the blobs."""
    parts = await cinema.blobs.list(f"uploads/parts/{place.rpartition('/')[2]}")
    return sum(blob.size for blob in parts) >= least

"""A film whose files are in object storage, from its upload to its end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import httpx
import pytest

from apps.video.playback.settings import PlaybackSettings
from tests.s3 import BUCKET
from tests.video.cinema import LIMIT, ORDINARY, Cinema, Structure, files_of, open_cinema, until
from tests.video.clips import clip

pytestmark = pytest.mark.asyncio(loop_scope="session")
MORE = [Structure("hybrid", "wire"), Structure("microservices", "wire")]


@pytest.mark.parametrize("structure", [ORDINARY[0], *(pytest.param(s, marks=pytest.mark.chaos) for s in MORE)], ids=str)
async def test_a_film_in_object_storage_is_uploaded_made_watched_and_deleted(
    structure: Structure, s3: str, quick: Path,
) -> None:
    async with open_cinema(structure, data=quick, blobs=f"s3://{BUCKET}/of/{structure}") as cinema:
        ann = cinema.person()
        video = await cinema.uploaded(ann, clip("plain"), privacy="private")
        assert (await cinema.ended(ann, video)).stage == "published"
        await until(lambda: cleared(cinema), seconds=LIMIT)
        stored = {path.split("/", 3)[-1]: path for path in await cinema.all_files()}
        told = await watched(cinema, ann.headers, video)
        found = await files_of(cinema, told["playlist"])
        assert len(found) >= 7
        for place, answer in found.items():
            assert answer.status_code == 200
            assert answer.content == await cinema.blobs.get(stored[place.split("/", 3)[3]])
        await check_parts(cinema, next(place for place in found if place.endswith(".m4s")))
        await check_expiry(cinema, told["playlist"])
        await ann.ask(cinema.videos.delete, video)
        await until(lambda: emptied(cinema), seconds=LIMIT)
        assert b"<UploadId>" not in await asyncio.to_thread(answered, f"{s3}/{BUCKET}?uploads")  # no half ones either
    assert not files(quick, "*.m4s")


async def cleared(cinema: Cinema) -> bool:
    """Whether nothing is left of what jobs have made but the edition, and of the upload but its source."""
    found = await cinema.all_files()
    jobs = {path.split("/")[1] for path in found if path.startswith("transcoding/")}
    return len(jobs) == 1 and not any(path.startswith("uploads/parts/") for path in found)


async def emptied(cinema: Cinema) -> bool:
    """Whether there is no file."""
    return not await cinema.all_files()


async def watched(cinema: Cinema, headers: dict[str, str], video: str) -> dict[str, str]:
    """What a player is told, once it may know."""
    found: httpx.Response | None = None

    async def is_there() -> bool:
        nonlocal found
        found = await cinema.http.get(f"/videos/{video}/ticket", headers=headers)
        return found.status_code == 200

    await until(is_there)
    assert found is not None
    assert (await cinema.http.get(f"/videos/{video}/ticket")).status_code == 404  # it is private
    told: dict[str, str] = found.json()
    return told


async def check_parts(cinema: Cinema, place: str) -> None:
    """A segment is served in parts, and not at all where its address was changed."""
    whole = (await cinema.http.get(place)).content
    size = len(whole)
    for asked, start, end in (("0-0", 0, 1), ("7-99", 7, 100), ("-9", size - 9, size), ("50-", 50, size)):
        part = await cinema.http.get(place, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, whole[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    assert (await cinema.http.get(place, headers={"Range": f"bytes={size}-"})).status_code == 416
    _, media, signed, name = place.split("/", 3)
    for wrong in (f"{signed[:-4]}AAAA", signed.swapcase(), "x"):
        assert (await cinema.http.get(f"/{media}/{wrong}/{name}")).status_code == 403
    assert (await cinema.http.get(f"/{media}/{signed}/120p/none.m4s")).status_code == 404


async def check_expiry(cinema: Cinema, place: str) -> None:
    """An address is good for a while."""
    cinema.clock.ahead += timedelta(seconds=2 * PlaybackSettings().lifetime)
    try:
        assert (await cinema.http.get(place)).status_code == 403
    finally:
        cinema.clock.ahead = timedelta()


def files(folder: Path, pattern: str) -> list[Path]:
    """The files of a pattern in a folder and below."""
    return list(folder.rglob(pattern))


def answered(address: str) -> bytes:
    """What a server answers."""
    with urlopen(address) as answer:
        found: bytes = answer.read()
        return found

"""V7: what is deleted takes all of its files along, whatever was going on."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from apps.video.uploads.contract import UploadGone
from apps.video.videos.contract import VideoNotFound
from tests.video.cinema import MP4, TUS, Cinema, Person, until
from tests.video.films import Film

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def nothing_of(cinema: Cinema, person: Person, *folders: str) -> None:
    """Wait until nothing is left in these folders, and nothing of somebody's quota is taken."""

    async def gone() -> bool:
        left = [path for path in await cinema.all_files() if path.startswith(folders)]
        return not left and (await person.ask(cinema.uploads.usage)).used == 0

    await until(gone)


def source_of(paths: list[str], before: list[str]) -> str:
    """The folder of the job that has made a file since."""
    return next(path for path in paths if path.endswith("/source") and path not in before).rpartition("/")[0]


async def test_a_deleted_video_takes_its_upload_along(cinema: Cinema, film: Film) -> None:
    ann, before = cinema.person(), await cinema.all_files()
    video = await cinema.uploaded(ann, MP4 + b"a film")
    source = source_of(await cinema.all_files(), before)
    await cinema.show(ann, video, await film.put(cinema.blobs, f"videos/{video}/one"))
    await ann.ask(cinema.videos.delete, video)
    await nothing_of(cinema, ann, source)
    for late in (cinema.videos.begin(video), cinema.videos.fail(video, "late")):
        with pytest.raises(VideoNotFound):
            await late
    assert (await cinema.http.get(f"/videos/{video}", headers=ann.headers)).status_code == 404

    async def unwatched() -> bool:
        return (await cinema.http.get(f"/videos/{video}/ticket", headers=ann.headers)).status_code == 404

    await until(unwatched)


async def test_a_video_may_be_deleted_while_it_comes(cinema: Cinema) -> None:
    ann = cinema.person()
    place = await cinema.place(ann, 1000)
    assert (await cinema.patch(ann, place, 0, MP4)).status_code == 204
    upload = await ann.ask(cinema.uploads.upload, place.rpartition("/")[2])
    await until(lambda: cinema.state_is(ann, upload.video, "to_upload"))
    await ann.ask(cinema.videos.delete, upload.video)
    await nothing_of(cinema, ann, f"uploads/parts/{upload.id}")
    late = await cinema.patch(ann, place, len(MP4), b"x")
    assert late.status_code == 410
    await nothing_of(cinema, ann, f"uploads/parts/{upload.id}")


async def test_a_video_may_be_deleted_while_its_parts_are_joined(cinema: Cinema) -> None:
    ann, before = cinema.person(), await cinema.all_files()
    for _ in range(3):
        place = await cinema.place(ann, len(MP4))
        upload = await ann.ask(cinema.uploads.upload, place.rpartition("/")[2])
        await until(partial(cinema.state_is, ann, upload.video, "to_upload"))
        await asyncio.gather(
            cinema.patch(ann, place, 0, MP4), ann.ask(cinema.videos.delete, upload.video),
        )
        await nothing_of(cinema, ann, f"uploads/parts/{upload.id}")

    async def as_before() -> bool:
        return set(await cinema.all_files()) <= set(before)

    await until(as_before)


async def test_an_upload_that_is_given_up_leaves_nothing(cinema: Cinema) -> None:
    ann = cinema.person()
    place = await cinema.place(ann, 1000)
    id = place.rpartition("/")[2]
    assert (await cinema.patch(ann, place, 0, MP4)).status_code == 204
    assert (await cinema.http.delete(place, headers=TUS | ann.headers)).status_code == 204
    await nothing_of(cinema, ann, f"uploads/parts/{id}")
    assert (await cinema.http.delete(place, headers=TUS | ann.headers)).status_code == 410
    assert not (await ann.ask(cinema.videos.mine)).items
    with pytest.raises(UploadGone):
        await ann.ask(cinema.uploads.abort, id)

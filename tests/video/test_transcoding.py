"""What becomes of uploads, in every structure: editions that are right, refusals with reasons, nothing left over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

import pytest

from apps.video.transcoding.media import tools
from apps.video.transcoding.media.playlists import PLAYLIST, SOUND, read
from craton.blobs import Blobs
from craton.tasks.worker import Worker
from tests.video.cinema import LIMIT, ORDINARY, Cinema, Person, Structure, open_cinema, until
from tests.video.clips import REASONS, big_buck_bunny, clip, junk, pattern
from tests.video.leaving import leaving
from tests.video.queue import left_on_the_disk

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def frames_and_ends(blobs: Blobs, folder: str, name: str, into: Path) -> tuple[int, float]:
    """How many packets a player gets of one part of an edition, and how long its playlist lasts."""
    playlist = read((await blobs.get(f"{folder}/{name}/{PLAYLIST}")).decode())
    assert playlist.ended and all(round(s.seconds) <= playlist.target for s in playlist.segments)
    whole = into / f"{name}.mp4"
    whole.write_bytes(b"".join([await blobs.get(f"{folder}/{name}/{file}") for file in playlist.files]))
    asked = ("-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0")
    return int(await tools.printed("ffprobe", "-v", "error", *asked, str(whole))), playlist.seconds


async def test_an_upload_becomes_an_edition_with_every_frame_and_nothing_beside_it(
    cinema: Cinema, tmp_path: Path,
) -> None:
    person = cinema.person()
    video = await cinema.uploaded(person, clip("plain"), title="Mine")
    before = await person.ask(cinema.videos.video, video)
    await person.ask(cinema.videos.describe, video, before.version, title="Mine, and described meanwhile")
    found = await cinema.ended(person, video)
    assert (found.stage, found.done) == ("published", 1.0), found
    await until(lambda: cinema.state_is(person, video, "published"))
    shown = await person.ask(cinema.videos.video, video)
    assert (shown.title, shown.height) == ("Mine, and described meanwhile", 120)  # neither was lost
    jobs = await folders_of(cinema, person, video)
    assert len(jobs) == 1  # the edition's alone
    folder = f"{jobs[0]}/1-1"
    frames, seconds = await frames_and_ends(cinema.blobs, folder, "120p", tmp_path)
    assert frames == 60 and abs(seconds - 60 * 1001 / 30000) < 0.001
    _, heard = await frames_and_ends(cinema.blobs, folder, SOUND, tmp_path)
    assert abs(heard - seconds) < Fraction(1001, 30000)
    await person.ask(cinema.videos.delete, video)
    await until(lambda: gone(cinema, jobs))


async def folders_of(cinema: Cinema, person: Person, video: str) -> list[str]:
    """The folders of a video's jobs, when all that are not needed any more have gone."""
    found: list[str] = []

    async def one() -> bool:
        nonlocal found
        answer = await cinema.http.get(f"/videos/{video}/ticket", headers=person.headers)
        ours = [path.split("/") for path in await cinema.all_files() if path.startswith("transcoding/")]
        found = sorted({"/".join(path[:2]) for path in ours})
        return answer.status_code == 200 and len(found) == 1

    await until(one, seconds=LIMIT)
    return found


async def gone(cinema: Cinema, folders: list[str]) -> bool:
    """Whether nothing is left of some folders."""
    return not [path for path in await cinema.all_files() if path.startswith(tuple(folders))]


@pytest.mark.parametrize("cinema", [ORDINARY[0], ORDINARY[-1]], ids=str, indirect=True)
@pytest.mark.parametrize("kind", ["noise", "only_sound"])
async def test_what_cannot_be_played_is_refused_with_the_reason_and_leaves_nothing(cinema: Cinema, kind: str) -> None:
    person = cinema.person()
    video = await cinema.uploaded(person, junk() if kind == "noise" else clip(kind))
    found = await cinema.ended(person, video)
    assert found.stage == "refused" and REASONS[kind] in found.reason
    await until(lambda: cinema.state_is(person, video, "failed"))
    assert (await person.ask(cinema.videos.video, video)).reason == found.reason
    await until(lambda: gone(cinema, ["transcoding/"]), seconds=LIMIT)


@asynccontextmanager
async def roomy(data: Path, **more: str) -> AsyncIterator[Cinema]:
    """A monolith that takes larger videos."""
    limits = {"CRATON_UPLOADS_MOST": "100000000", "CRATON_UPLOADS_QUOTA": "100000000", "CRATON_TUS_PART": "1000000"}
    async with open_cinema(Structure("monolith"), data=data, **limits, **more) as cinema:  # type: ignore[arg-type]
        yield cinema


async def test_deleting_a_video_stops_its_jobs_and_removes_every_file(tmp_path: Path) -> None:
    slow = dict(CRATON_TRANSCODING_PRESET="veryslow", CRATON_TRANSCODING_SEGMENT="1", CRATON_TRANSCODING_LATE="5")
    async with roomy(tmp_path, **slow) as cinema:
        person = cinema.person()
        video = await cinema.uploaded(person, big_buck_bunny().read_bytes())

        async def encodes() -> bool:
            found = await cinema.progress(person, video)
            return found is not None and found.stage == "encoding" and found.done > 0.05

        await until(encodes, seconds=LIMIT)
        await person.ask(cinema.videos.delete, video)
        assert (await cinema.ended(person, video)).stage == "stopped"
        workers = cinema.running.pools["cpu"].workers
        await until(lambda: idle(workers), seconds=LIMIT)
        assert not left_on_the_disk()
        await until(lambda: gone(cinema, [""]), seconds=LIMIT)  # what was written late goes with the second removal


async def idle(workers: list[Worker]) -> bool:
    """Whether no worker has anything to do."""
    return not any(worker.running for worker in workers)


async def test_a_video_with_holes_is_refused(tmp_path: Path) -> None:
    """The index says that there are frames, and their bytes are not there."""
    whole = pattern(tmp_path / "whole.mp4", seconds=4, more=("-c:v", "libx264", "-movflags", "+faststart"))
    content = whole.read_bytes()
    async with roomy(tmp_path, CRATON_TRANSCODING_SEGMENT="1", CRATON_TRANSCODING_SEGMENTS="1") as cinema:
        person = cinema.person()
        video = await cinema.uploaded(person, content[: len(content) // 2])
        found = await cinema.ended(person, video)
        assert (found.stage, "damaged" in found.reason) == ("refused", True), found
        await until(lambda: gone(cinema, ["transcoding/"]), seconds=LIMIT)


async def test_what_killed_workers_have_left_of_a_job_goes_when_it_is_done(tmp_path: Path) -> None:
    async with open_cinema(Structure("monolith"), data=tmp_path, application=leaving) as cinema:
        person = cinema.person()
        video = await cinema.uploaded(person, clip("plain"))
        assert (await cinema.ended(person, video)).stage == "published"

        async def is_clear() -> bool:
            attempts = {path.parts[:3] for path in files(tmp_path / "blobs")}
            return len(attempts) == 2 and not any("0-0" in path for path in attempts)

        await until(is_clear, seconds=LIMIT)  # that of the edition, and that of what was uploaded
        await person.ask(cinema.videos.delete, video)
        await until(lambda: gone(cinema, [""]), seconds=LIMIT)


def files(folder: Path) -> list[Path]:
    """All files in a folder, as seen from there."""
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]

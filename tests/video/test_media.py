"""What is done with ffmpeg, tried on clips of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from fractions import Fraction
from pathlib import Path

import pytest

from apps.video.transcoding.media import pictures, tools
from apps.video.transcoding.media.checking import Measured, Wrong, check_picture, check_sound
from apps.video.transcoding.media.inspecting import Facts, Unplayable, inspect
from apps.video.transcoding.media.packaging import join, opened, sound
from apps.video.transcoding.media.planning import Piece, Plan, after, before, chain, plan_of
from apps.video.transcoding.media.playlists import PLAYLIST, SOUND
from apps.video.transcoding.media.tools import MediaError, ffmpeg, lines
from tests.video.clips import PLAYABLE, REASONS, REFUSED, big_buck_bunny, pattern

BITS = {"seconds": 1, "segments": 1, "preset": "ultrafast", "ladder": {120: 300}}
"""Small pieces."""
SPOKEN = {"plain", "from_camera", "from_browser", "late_sound"}
"""Those whose sound is looked at; that of the others is like the first's."""
RARE = {"bright", "interlaced", "from_browser", "old", "fast", "silent", "moving_picture"}
KINDS = [pytest.param(kind, marks=pytest.mark.chaos) if kind in RARE else kind for kind in PLAYABLE]
SEAMS = ["plain", "varying", *(pytest.param(kind, marks=pytest.mark.chaos) for kind in ("still", "from_camera"))]
SILENT = {"silent", "moving_picture"}


async def pictures_in(file: Path, facts: Facts, *, plan: Plan, pieces: Sequence[Piece]) -> list[str]:
    """A digest of each frame of some pieces, before it is encoded."""
    found = []
    for piece in pieces:
        told = (*before(plan, piece), "-i", str(file), "-map", f"0:{facts.video}", "-filter:v")
        filters = ",".join(chain(plan, facts, piece=piece, size=plan.sizes[0]))
        async with aclosing(lines("ffmpeg", *tools.SAFE, *told, filters, "-f", "framemd5", "-")) as printed:
            found += [line.rpartition(",")[2] async for line in printed if not line.startswith("#")]
    return found


async def make(
    file: Path, facts: Facts, *, plan: Plan, into: Path, with_sound: bool = True,
) -> dict[str, Measured]:
    """All of a video, each part measured."""
    found = {}
    for size in plan.sizes:
        folder, parts = into / size.name, []
        folder.mkdir()
        for piece in plan.pieces:
            parts.append(into / f"{size.name}-{piece.index}.mp4")
            told = after(plan, facts, piece=piece, size=size)
            made = await ffmpeg(*before(plan, piece), "-i", str(file), *told, str(parts[-1]))
            assert abs(made - piece.end + piece.start) <= (piece == plan.pieces[-1])
        await join(parts, plan, scratch=into, into=folder)
        found[size.name] = await check_picture(folder, plan, scratch=into)
    if facts.sound >= 0 and with_sound:
        (into / SOUND).mkdir()
        await sound(file, facts, plan=plan, into=into / SOUND)
        found[SOUND] = await check_sound(into / SOUND, plan, scratch=into)
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_a_video_of_any_kind_becomes_one_that_browsers_play(kind: str, tmp_path: Path) -> None:
    file, facts, ticks = await opened(PLAYABLE[kind](tmp_path), tmp_path)
    plan = plan_of(facts, ticks, **BITS)  # type: ignore[arg-type]
    assert len(plan.pieces) > 1
    found = await make(file, facts, plan=plan, into=tmp_path, with_sound=kind in SPOKEN)
    assert (SOUND in found) == (kind in SPOKEN)
    assert (facts.sound < 0) == (kind in SILENT)


@pytest.mark.parametrize("kind", SEAMS)
async def test_pieces_have_the_very_frames_that_the_whole_has(kind: str, tmp_path: Path) -> None:
    file, facts, ticks = await opened(PLAYABLE[kind](tmp_path), tmp_path)
    plan = plan_of(facts, ticks, **BITS)  # type: ignore[arg-type]
    whole = plan_of(facts, ticks, seconds=1, segments=1000, ladder={120: 300})
    assert len(whole.pieces) == 1
    cut = await pictures_in(file, facts, plan=plan, pieces=plan.pieces)
    assert cut == await pictures_in(file, facts, plan=whole, pieces=whole.pieces)
    assert len(cut) == plan.frames


@pytest.mark.parametrize("kind", REFUSED)
async def test_what_is_no_video_is_refused_with_the_reason(kind: str, tmp_path: Path) -> None:
    with pytest.raises(Unplayable, match=REASONS[kind]):
        await inspect(REFUSED[kind](tmp_path))


async def test_a_steady_video_keeps_its_rate_and_every_frame(tmp_path: Path) -> None:
    for rate, named in (("30000/1001", "plain.mp4"), ("24", "film.mkv"), ("15", "slow.mp4")):
        facts, ticks = await inspect(pattern(tmp_path / named, rate=rate))
        plan = plan_of(facts, ticks)
        assert (Fraction(plan.rate), plan.frames) == (Fraction(rate), len(ticks))


async def test_sizes_fit_the_picture_as_it_is_shown(tmp_path: Path) -> None:
    facts, ticks = await inspect(PLAYABLE["rotated"](tmp_path))
    assert (facts.width, facts.height) == (240, 320)
    assert [(s.name, s.width, s.height) for s in plan_of(facts, ticks).sizes] == [("240p", 240, 320)]
    facts, ticks = await inspect(big_buck_bunny())
    sizes = [(s.width, s.height) for s in plan_of(facts, ticks).sizes]
    assert sizes == [(426, 240), (640, 360), (854, 480), (1280, 720)]
    facts, ticks = await inspect(PLAYABLE["odd"](tmp_path))
    assert [(s.name, s.width, s.height) for s in plan_of(facts, ticks).sizes] == [("96p", 170, 96)]


async def test_a_film_keeps_frames_length_and_the_time_between_picture_and_sound(tmp_path: Path) -> None:
    facts, ticks = await inspect(big_buck_bunny())
    plan = plan_of(facts, ticks, seconds=1, segments=2, preset="ultrafast", ladder={120: 300, 240: 400})
    found = await make(big_buck_bunny(), facts, plan=plan, into=tmp_path)
    assert [found[name].frames for name in ("120p", "240p")] == [132, 132]
    assert found["120p"].keyframes == found["240p"].keyframes
    assert abs(found[SOUND].seconds - found["240p"].seconds) < 1 / 25


async def test_sound_that_begins_later_stays_later(tmp_path: Path) -> None:
    facts, ticks = await inspect(PLAYABLE["late_sound"](tmp_path))
    (tmp_path / SOUND).mkdir()
    await sound(tmp_path / "late.mp4", facts, plan=plan_of(facts, ticks), into=tmp_path / SOUND)
    heard = tmp_path / "heard.s16"
    await ffmpeg("-i", str(tmp_path / SOUND / PLAYLIST), "-f", "s16le", "-ac", "1", str(heard))
    samples = memoryview(heard.read_bytes()).cast("h")
    first = next(i for i, sample in enumerate(samples) if abs(sample) > 1000)
    assert abs(first / 48000 - 0.5) < 1 / 25


async def test_what_came_out_wrong_is_noticed(tmp_path: Path) -> None:
    facts, ticks = await inspect(PLAYABLE["plain"](tmp_path))
    plan = plan_of(facts, ticks, **BITS)  # type: ignore[arg-type]
    await make(tmp_path / "plain.mp4", facts, plan=plan, into=tmp_path)
    folder = tmp_path / plan.sizes[0].name
    second = folder / "00001.m4s"
    kept = second.read_bytes()
    for damage, what in (
        (kept[: len(kept) // 2], "cannot be decoded|frames came out"), (b"", "empty"),
        (kept[:-200] + bytes(200), "cannot be decoded"),
    ):
        second.write_bytes(damage)
        with pytest.raises(Wrong, match=what):
            await check_picture(folder, plan, scratch=tmp_path)
    second.unlink()
    with pytest.raises(Wrong, match="not there"):
        await check_picture(folder, plan, scratch=tmp_path)


async def test_pieces_of_different_encoders_are_not_joined(tmp_path: Path) -> None:
    facts, ticks = await inspect(PLAYABLE["plain"](tmp_path))
    plan = plan_of(facts, ticks, seconds=0.5, segments=2, preset="ultrafast", ladder={120: 300})
    parts = [tmp_path / f"{piece.index}.mp4" for piece in plan.pieces]
    for piece, part in zip(plan.pieces, parts, strict=True):
        told = list(after(plan, facts, piece=piece, size=plan.sizes[0]))
        told[told.index("ultrafast")] = "medium" if piece.index else "ultrafast"
        await ffmpeg(*before(plan, piece), "-i", str(tmp_path / "plain.mp4"), *told, str(part))
    with pytest.raises(MediaError, match="different encoders"):
        await join(parts, plan, scratch=tmp_path, into=tmp_path)


@pytest.mark.parametrize("kind", ["rotated", "still"])
async def test_there_are_pictures_of_each_video(kind: str, tmp_path: Path) -> None:
    file, facts, ticks = await opened(PLAYABLE[kind](tmp_path), tmp_path)
    plan = plan_of(facts, ticks)
    await pictures.thumbnail(file, facts, plan=plan, into=tmp_path)
    await pictures.storyboard(file, facts, plan=plan, into=tmp_path)
    assert await size_of(tmp_path / pictures.THUMBNAIL) == pictures.fitting(facts, pictures.WIDEST)
    width, height = pictures.fitting(facts, pictures.LONG)
    assert await size_of(tmp_path / "storyboard-001.jpg") == (width * pictures.ACROSS, height * pictures.DOWN)
    written = (tmp_path / pictures.STORYBOARD).read_text()
    assert written.startswith("WEBVTT\n") and f"storyboard-001.jpg#xywh=0,0,{width},{height}" in written


async def test_each_small_picture_shows_something(tmp_path: Path) -> None:
    facts, ticks = await inspect(big_buck_bunny())  # which has one keyframe
    await pictures.storyboard(big_buck_bunny(), facts, plan=plan_of(facts, ticks), into=tmp_path)
    crops = [f"crop=160:90:{160 * number}:0" for number in range(4)]
    sheet = str(tmp_path / "storyboard-001.jpg")
    for crop, lit in zip(crops, (True, True, True, False), strict=True):
        pixels = tmp_path / "pixels.gray"
        await ffmpeg("-i", sheet, "-vf", crop, "-f", "rawvideo", "-pix_fmt", "gray", str(pixels))
        assert (max(pixels.read_bytes()) > 100) == lit


async def size_of(picture: Path) -> tuple[int, int]:
    """A picture's width and height."""
    asked = ("-show_entries", "stream=width,height", "-of", "csv=p=0")
    width, height = (await tools.printed("ffprobe", "-v", "error", *asked, str(picture))).split(",")
    return int(width), int(height)


def test_captions_name_each_moment_once() -> None:
    written = pictures.captions(61.0, step=2.0, size=(160, 90), most=50)
    times = [line for line in written.splitlines() if "-->" in line]
    assert (len(times), times[0], times[-1]) == (
        31, "00:00:00.000 --> 00:00:02.000", "00:01:00.000 --> 00:01:01.000",
    )
    assert "storyboard-002.jpg#xywh=0,0,160,90" in written and "storyboard-001.jpg#xywh=640,360,160,90" in written


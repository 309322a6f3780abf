"""Whether what was made is right: looked at as a player would, and decoded from its first frame to its last."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from apps.video.transcoding.media.packaging import codec
from apps.video.transcoding.media.planning import Plan
from apps.video.transcoding.media.playlists import INIT, PLAYLIST, Playlist, read
from apps.video.transcoding.media.tools import MediaError, ffmpeg, lines
from craton import Value

STRICT = ("-xerror", "-err_detect", "crccheck+bitstream+buffer+explode")
SLACK = 0.001
"""Seconds by which what is written down with six decimals, or rounded to ticks, may be beside the truth."""


class Wrong(Exception):
    """What was made is not what was to be made; the message says why."""


class Measured(Value):
    """What came out. `frames`: 0 for sound. `seconds`: how long it plays. `keyframes`: a digest of the moments of all
    keyframes: sizes that have the same can be changed at each. `peak`, `average`: bits per second; `size`: bytes."""

    frames: int
    seconds: float
    keyframes: str
    codec: str
    peak: int
    average: int
    size: int


async def check_picture(folder: Path, plan: Plan, *, scratch: Path) -> Measured:
    """Measure one size in its folder; Wrong says what does not fit the plan."""
    rate = Fraction(plan.rate)
    playlist = check_playlist(folder, longest=float(plan.segment / rate))
    whole = await asyncio.to_thread(stitch, folder, playlist, scratch)
    frames = await decoded(whole, "v")
    moments = await keyframes(whole)
    expected = [float(n / rate) for n in range(0, frames, plan.segment)]
    if abs(frames - plan.frames) > 1:
        raise Wrong(f"{frames} frames came out, and {plan.frames} went in")
    if abs(playlist.seconds - frames / rate) > 1 / rate:
        raise Wrong(f"the playlist lasts {playlist.seconds:.3f} s, and its frames {float(frames / rate):.3f} s")
    if len(moments) != len(expected) or any(abs(a - b) > SLACK for a, b in zip(moments, expected, strict=True)):
        raise Wrong("keyframes are not at the starts of the segments, or nowhere else")
    return measured(folder, playlist, frames=frames, moments=moments, kind=codec(folder / INIT))


async def check_sound(folder: Path, plan: Plan, *, scratch: Path) -> Measured:
    """Measure the sound in its folder; Wrong says what does not fit the picture."""
    rate = Fraction(plan.rate)
    playlist = check_playlist(folder, longest=float(plan.segment / rate) + 1)
    whole = await asyncio.to_thread(stitch, folder, playlist, scratch)
    await decoded(whole, "a")
    first, last = await ends(whole)
    if abs(first) > SLACK or abs(last - plan.duration) > max(1 / rate, Fraction(1024, 48000)) + Fraction(SLACK):
        raise Wrong(f"the sound is heard from {first:.3f} s to {last:.3f} s of {plan.duration:.3f} s")
    return measured(folder, playlist, frames=0, moments=[], kind="mp4a.40.2")


def check_playlist(folder: Path, *, longest: float) -> Playlist:
    """The playlist of a folder; Wrong where it is not whole, or names what is not there."""
    playlist = read((folder / PLAYLIST).read_text())
    if not playlist.ended:
        raise Wrong("the playlist has no end")
    for name in playlist.files:
        if not (folder / name).is_file() or not (folder / name).stat().st_size:
            raise Wrong(f"the playlist names {name}, which is not there, or empty")
    for segment in playlist.segments:
        if round(segment.seconds) > playlist.target or segment.seconds > longest + SLACK:
            raise Wrong(f"segment {segment.name} lasts {segment.seconds} s, of {playlist.target} s at most")
    return playlist


def stitch(folder: Path, playlist: Playlist, scratch: Path) -> Path:
    """One file with all that a player gets, in the order in which it gets it."""
    whole = scratch / "whole.mp4"
    with whole.open("wb") as out:
        for name in playlist.files:
            out.write((folder / name).read_bytes())
    return whole


async def decoded(file: Path, kind: str) -> int:
    """How many frames can be decoded; Wrong where anything cannot."""
    try:
        return await ffmpeg("-threads", "1", *STRICT, "-i", str(file), "-map", f"0:{kind}", "-f", "null", "-")
    except MediaError as error:
        raise Wrong(f"what came out cannot be decoded: {error}") from error


async def keyframes(file: Path) -> list[float]:
    """The moments of all keyframes."""
    return [moment for moment, flags in await packets(file) if "K" in flags]


async def ends(file: Path) -> tuple[float, float]:
    """When the first packet starts, and the last one ends, which is as long as the first."""
    moments = [moment for moment, _ in await packets(file)]
    if not moments:
        raise Wrong("there is nothing in what came out")
    return moments[0], moments[-1] + (moments[1] - moments[0] if len(moments) > 1 else 0)


async def packets(file: Path) -> list[tuple[float, str]]:
    """The moment and the flags of each packet."""
    found = []
    asked = ("-show_entries", "packet=pts_time,flags", "-of", "csv=p=0")
    async with aclosing(lines("ffprobe", "-v", "error", *asked, "-i", str(file))) as printed:
        async for line in printed:
            moment, flags = line.split(",")[:2]
            found.append((float(moment), flags))
    return found


def measured(folder: Path, playlist: Playlist, *, frames: int, moments: Sequence[float], kind: str) -> Measured:
    """What a folder holds."""
    sizes = [(folder / segment.name).stat().st_size for segment in playlist.segments]
    peak = max(8 * size / s.seconds for size, s in zip(sizes, playlist.segments, strict=True))
    digest = sha256(" ".join(f"{moment:.3f}" for moment in moments).encode()).hexdigest()
    return Measured(
        frames=frames, seconds=playlist.seconds, keyframes=digest, codec=kind, peak=round(peak),
        average=round(8 * sum(sizes) / playlist.seconds), size=sum(sizes) + (folder / INIT).stat().st_size,
    )

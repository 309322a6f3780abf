"""From encoded pieces to HLS with fMP4 segments: the pieces of one size joined, and the sound."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from apps.video.transcoding.media.inspecting import READ, Facts, Unplayable, inspect
from apps.video.transcoding.media.planning import Plan
from apps.video.transcoding.media.playlists import INIT, PLAYLIST
from apps.video.transcoding.media.tools import Heard, MediaError, ffmpeg

HERTZ, KILOBITS = 48000, 128
"""Of the sound, which has two channels."""
PRIMING = 1024
"""Samples that the encoder puts ahead of the first. That many are left out there, so that what is heard keeps its place
with every player; those that the container could tell to skip the encoder's do not all listen."""
RESCUED = "rescued.mkv"


async def opened(file: Path, into: Path) -> tuple[Path, Facts, array[int]]:
    """A file to be worked with, and what is known of it; Unplayable says why there is none. Where moments of an upload
    cannot be found at once, it is the same streams in a container with an index, written to a folder."""
    facts, ticks = await inspect(file)
    if not facts.indexed:
        with suppress(MediaError, Unplayable):  # the upload itself will do, read from its start for each piece
            rescued = await remux(file, into)
            found, moments = await inspect(rescued)
            if len(moments) >= len(ticks) and found.interlaced == facts.interlaced:
                return rescued, found, moments
    return file, facts, ticks


async def remux(file: Path, into: Path) -> Path:
    """The same streams, not encoded anew, in a container in which any moment can be found. MediaError where they do not
    go into one."""
    target = into / RESCUED
    maps = ("-map", "0:V:0", "-map", "0:a:0?", "-c", "copy", "-map_metadata", "-1")
    await ffmpeg(*READ, "-fflags", "+genpts", "-i", str(file), *maps, "-f", "matroska", str(target))
    return target


async def join(pieces: Sequence[Path], plan: Plan, *, scratch: Path, into: Path) -> None:
    """The pieces of one size, in order, as a playlist with its segments in a folder. MediaError where they do not fit
    together."""
    await asyncio.to_thread(check_alike, pieces)
    rate = Fraction(plan.rate)
    listed = ["ffconcat version 1.0"]
    for path, piece in zip(pieces, plan.pieces, strict=True):
        name = str(path).replace("'", "'\\''")
        listed += [f"file '{name}'", f"duration {float((piece.end - piece.start) / rate):.6f}"]
    names = scratch / "pieces.txt"
    names.write_text("\n".join(listed) + "\n")
    # Every keyframe starts a segment: half of one's length is reached at each, and at nothing before it.
    copied = ("-f", "concat", "-safe", "0", "-i", str(names), "-map", "0:v:0", "-c", "copy")
    await ffmpeg(*copied, *hls(float(plan.segment / rate / 2), into))


def check_alike(pieces: Sequence[Path]) -> None:
    """MediaError where one decoder would not do for all pieces."""
    if len({configuration(path) for path in pieces}) != 1:
        raise MediaError("the pieces were encoded by different encoders, and do not fit together")


def configuration(file: Path) -> bytes:
    """What a decoder must know of an MP4 file with H.264 before its first frame: what its avcC box holds."""
    data = file.read_bytes()
    at = data.rfind(b"avcC")
    if at < 4:
        raise MediaError("the piece is no MP4 file with H.264")
    return data[at + 4 : at - 4 + int.from_bytes(data[at - 4 : at])]


def codec(init: Path) -> str:
    """The name that RFC 6381 gives to the H.264 that follows an initialization segment."""
    return f"avc1.{configuration(init)[1:4].hex()}"


async def sound(file: Path, facts: Facts, *, plan: Plan, into: Path, heard: Heard | None = None) -> None:
    """The sound, from the moment of the first frame to that after the last, as a playlist with its segments."""
    begins = float(facts.first * Fraction(facts.tick))
    filters = (
        f"asetpts=PTS-({begins:.6f}/TB)", f"aresample={HERTZ}:async=1:first_pts=0",
        f"apad=whole_dur={plan.duration:.6f}", f"atrim=start_pts={PRIMING}:end_pts={round(plan.duration * HERTZ)}",
    )
    await ffmpeg(
        "-threads", "1", *READ, "-copyts", "-i", str(file), "-map", f"0:{facts.sound}", "-vn", "-sn", "-dn",
        "-map_metadata", "-1", "-map_chapters", "-1", "-filter:a", ",".join(filters), "-ac", "2", "-threads", "1",
        "-c:a", "aac", "-b:a", f"{KILOBITS}k", *hls(float(plan.segment / Fraction(plan.rate)), into), heard=heard,
    )


def hls(seconds: float, into: Path) -> tuple[str, ...]:
    """The options of a playlist that is whole from the start, with segments of about so many seconds."""
    return (
        "-f", "hls", "-hls_time", f"{seconds:.6f}", "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4",
        "-hls_flags", "independent_segments", "-hls_fmp4_init_filename", INIT, "-hls_segment_filename",
        str(into / "%05d.m4s"), str(into / PLAYLIST),
    )

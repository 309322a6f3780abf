"""What an upload is: its streams, its frames one by one, and whether anything can be made of it."""

from __future__ import annotations

import json
from array import array
from contextlib import aclosing
from fractions import Fraction
from pathlib import Path
from typing import Any

from apps.video.transcoding.media.tools import MediaError, lines, printed
from craton import Value

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gif,wtv,nut,ivf,"
    "mp3,aac,flac,wav"
)
"""Formats that hold what they play, some of them only sound, which is refused by its name. Playlists are none of
them: they may name files and addresses that are not the owner's, and ffmpeg would open those."""
READ = ("-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS)
"""How every upload is opened."""
INDEXED = frozenset({"mov", "mp4", "matroska", "webm"})
"""Formats in which any moment can be found at once."""
LONGEST_SIDE, MOST_PIXELS = 8192, 8192 * 4352
INTERLACED = frozenset({"tt", "bb", "tb", "bt"})
BRIGHT = frozenset({"smpte2084", "arib-std-b67"})
"""Transfer functions of high dynamic range."""


class Unplayable(Exception):
    """Nothing can be made of an upload; the message says why, to its owner."""


class Facts(Value):
    """What is known of an upload's picture and sound.

    `video` and `sound`: the numbers of their streams, sound -1 where there is none. `width` and `height`: as shown,
    after rotation, in square pixels. `start`, `end`: of the container's clock, in seconds. `tick`: one tick of the
    picture's clock, in seconds, as text such as "1/12800". `first`: the tick of the first frame shown.
    """

    video: int
    sound: int
    width: int
    height: int
    start: float
    end: float
    tick: str
    first: int
    interlaced: bool
    bright: bool
    indexed: bool


async def inspect(file: Path) -> tuple[Facts, array[int]]:
    """The facts of a file, and the ticks at which its frames are shown, in order. Unplayable says why there is none."""
    refuse_empty(file)
    try:
        found = json.loads(await printed("ffprobe", *probing(file), "-show_format", "-show_streams", "-of", "json"))
        facts = facts_of(found)
        ticks = await moments(file, facts.video)
    except MediaError as error:
        raise Unplayable("the file is damaged, or no video of a known kind") from error
    if not ticks:
        raise Unplayable("the video has no frames")
    return with_first(facts, ticks[0]), ticks


def refuse_empty(file: Path) -> None:
    """Unplayable for a file without a byte."""
    if not file.stat().st_size:
        raise Unplayable("the file is empty")


def probing(file: Path) -> tuple[str, ...]:
    """How ffprobe is asked about a file."""
    return ("-v", "error", *READ, "-i", str(file))


def with_first(facts: Facts, first: int) -> Facts:
    """The facts, now that the first frame is known."""
    return Facts(**{**{name: getattr(facts, name) for name in facts.__struct_fields__}, "first": first})


def facts_of(found: dict[str, Any]) -> Facts:
    """The facts that ffprobe has printed."""
    streams = found.get("streams", [])
    pictures = [s for s in streams if s["codec_type"] == "video" and not s["disposition"].get("attached_pic")]
    sounds = [s for s in streams if s["codec_type"] == "audio" and s.get("codec_name") and int(s.get("channels", 0))]
    if not pictures:
        raise Unplayable("the file has sound, but no picture" if sounds else "the file has no picture")
    picture = pictures[0]
    width, height = shown_size(picture)
    start = float(found["format"].get("start_time", 0))
    return Facts(
        video=picture["index"], sound=sounds[0]["index"] if sounds else -1, width=width, height=height,
        start=start, end=start + float(found["format"].get("duration", 0)), tick=picture["time_base"], first=0,
        interlaced=picture.get("field_order") in INTERLACED, bright=picture.get("color_transfer") in BRIGHT,
        indexed=bool(INDEXED & set(found["format"]["format_name"].split(","))),
    )


def shown_size(stream: dict[str, Any]) -> tuple[int, int]:
    """The width and height in which a stream is to be seen; Unplayable where that is out of all bounds."""
    width, height = int(stream.get("width", 0)), int(stream.get("height", 0))
    if not stream.get("codec_name") or width < 2 or height < 2:
        raise Unplayable("the picture is of no known kind")
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise Unplayable(f"the picture is too large: {width} x {height}")
    across, _, down = stream.get("sample_aspect_ratio", "1:1").partition(":")
    if int(across) > 0 and int(down or 0) > 0:
        width = round(width * int(across) / int(down))
    turned = [side.get("rotation", 0) for side in stream.get("side_data_list", [])]
    return (height, width) if any(round(angle / 90) % 2 for angle in turned) else (width, height)


async def moments(file: Path, stream: int) -> array[int]:
    """The ticks at which frames are shown, in order. What the container says is to be left out (an edit list) is."""
    found = array("q")
    asked = ("-select_streams", str(stream), "-show_entries", "packet=pts,dts,flags", "-of", "csv=p=0")
    async with aclosing(lines("ffprobe", *probing(file), *asked)) as packets:
        async for packet in packets:
            shown, decoded, flags = [*packet.split(","), "", ""][:3]
            tick = shown if shown.lstrip("-").isdecimal() else decoded
            if tick.lstrip("-").isdecimal() and "D" not in flags:
                found.append(int(tick))
    return array("q", sorted(found))


def tick_of(facts: Facts) -> Fraction:
    """The length of one tick in seconds."""
    return Fraction(facts.tick)

"""Pictures of a video: the one that stands for it, and the small ones that a player shows along its time line."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

from apps.video.transcoding.media.inspecting import READ, Facts
from apps.video.transcoding.media.planning import Plan, even
from apps.video.transcoding.media.tools import ffmpeg

THUMBNAIL, STORYBOARD = "thumbnail.jpg", "storyboard.vtt"
WIDEST = 640
"""Pixels of the thumbnail's longer side, at most."""
LONG, ACROSS, DOWN = 160, 5, 5
"""Pixels of the longer side of a small picture, and how many stand in one file."""
STEP, MOST = 2.0, 100
"""Seconds from one small picture to the next, at least; and how many there are, at most."""
THOROUGH = 600
"""Seconds of a video of which every frame is decoded for its small pictures."""


async def thumbnail(file: Path, facts: Facts, *, plan: Plan, into: Path) -> None:
    """A frame from the first tenth of the video that is like those around it, so neither black nor blurred."""
    width, height = fitting(facts, WIDEST)
    filters = ("thumbnail=n=25", *plan.filters, f"scale={width}:{height}", "setsar=1", "format=yuvj420p")
    seek = ("-ss", f"{plan.duration / 10:.3f}") if facts.indexed and plan.frames > 100 else ()
    await ffmpeg(
        "-threads", "1", *READ, *seek, "-i", str(file), "-map", f"0:{facts.video}", "-an", "-filter:v",
        ",".join(filters), "-frames:v", "1", "-q:v", "3", "-f", "image2", "-update", "1", str(into / THUMBNAIL),
    )


async def storyboard(file: Path, facts: Facts, *, plan: Plan, into: Path) -> None:
    """Small pictures, many to a file, and the WebVTT file that says which is whose moment. Of a long video only the
    keyframes are decoded, and each picture shows the last one before its moment."""
    step = max(STEP, plan.duration / MOST)
    width, height = fitting(facts, LONG)
    count = math.ceil(plan.duration / step)
    filters = (
        f"setpts=PTS-({facts.first})", f"fps={1 / step:.9f}:start_time=0:round=up:eof_action=pass",
        f"tpad=stop={count}:stop_mode=clone", f"trim=end_frame={count}", *plan.filters, f"scale={width}:{height}",
        "setsar=1", f"tile={ACROSS}x{DOWN}", "format=yuvj420p",
    )
    some = ("-skip_frame", "nokey") if plan.duration > THOROUGH else ()
    await ffmpeg(
        "-threads", "1", *READ, *some, "-copyts", "-i", str(file), "-map", f"0:{facts.video}", "-an", "-filter:v",
        ",".join(filters), "-fps_mode", "passthrough", "-q:v", "5", "-f", "image2",
        str(into / "storyboard-%03d.jpg"),
    )
    write_captions(into, duration=plan.duration, step=step, size=(width, height))


def write_captions(folder: Path, *, duration: float, step: float, size: tuple[int, int]) -> None:
    """Write the WebVTT file for the small pictures in a folder."""
    most = len(list(folder.glob("storyboard-*.jpg"))) * ACROSS * DOWN
    (folder / STORYBOARD).write_text(captions(duration, step=step, size=size, most=most))


def captions(duration: float, *, step: float, size: tuple[int, int], most: int) -> str:
    """The WebVTT file: for each stretch of time, a part of a picture as media fragments name it."""
    width, height = size
    written = ["WEBVTT", ""]
    for number in range(min(max(1, math.ceil(duration / step)), most)):
        sheet, place = divmod(number, ACROSS * DOWN)
        down, across = divmod(place, ACROSS)
        end = min(duration, (number + 1) * step)
        written += [
            f"{clock(number * step)} --> {clock(max(end, number * step + 0.001))}",
            f"storyboard-{sheet + 1:03}.jpg#xywh={across * width},{down * height},{width},{height}", "",
        ]
    return "\n".join(written)


def clock(seconds: float) -> str:
    """A moment as WebVTT writes it: "00:01:02.500"."""
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}.{whole % 1000:03}"


def fitting(facts: Facts, longest: int) -> tuple[int, int]:
    """The picture's size, its longer side at most so long."""
    scale = min(Fraction(1), Fraction(longest, max(facts.width, facts.height)))
    return even(float(facts.width * scale)), even(float(facts.height * scale))

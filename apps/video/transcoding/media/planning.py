"""What is to be made of an upload: its rate, its sizes, where it is cut, and what ffmpeg is told for each piece.

All of it is decided once, before the first piece is encoded. Pieces have whole segments, and segments start with the
only keyframes, so the pieces of one size fit together without a seam, and those of all sizes change at the same frames.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from fractions import Fraction
from itertools import pairwise

from apps.video.transcoding.media.inspecting import READ, Facts
from craton import Value

STANDARD = tuple(Fraction(n, d) for n, d in (
    (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1),
))
"""Rates, in frames per second, of which a measured one is taken to be the nearest, if it is near."""
NEAR, ABOUT = Fraction(1, 1000), Fraction(3, 100)
"""How near that is, of a steady rate, and of the most usual one of an upload that has none."""
SLOWEST, FASTEST = 5, 60
LADDER = {240: 400, 360: 800, 480: 1400, 720: 2800}
"""The lengths of the shorter side, and the most kilobits per second that each may take."""
MOST_PIECES = 50
LONGEST_LAST = 600
"""Seconds for which the last frame may be shown, where there is no steady rate."""
BEFORE = 2
"""Frames of the upload that are decoded ahead of a piece: the one that its first frame may have to repeat, and one more
for clocks that round."""
TONES = (
    "zscale=t=linear:npl=100", "format=gbrpf32le", "zscale=p=bt709", "tonemap=hable:desat=0",
    "zscale=t=bt709:m=bt709:r=tv",
)
"""High dynamic range to what every screen shows."""


class Size(Value):
    """One size to be made. `most`: kilobits per second."""

    name: str
    width: int
    height: int
    most: int


class Piece(Value):
    """The frames from `start` to `end` - 1 of what is made. `seek`: seconds, into the upload, to look from."""

    index: int
    start: int
    end: int
    seek: float


class Plan(Value):
    """What is to be made.

    `rate`: frames per second, such as "30000/1001". `frames`: how many there will be, one more or less. `segment`:
    frames in a segment. `last`: the last frame is shown so many times more. `first` and `filters`: what is done to each
    frame of the upload, and to each of those that are kept, before they are brought to their size.
    """

    rate: str
    frames: int
    segment: int
    last: int
    sizes: tuple[Size, ...]
    pieces: tuple[Piece, ...]
    first: tuple[str, ...]
    filters: tuple[str, ...]
    preset: str

    @property
    def duration(self) -> float:
        """In seconds."""
        return float(self.frames / Fraction(self.rate))


def plan_of(
    facts: Facts, ticks: array[int], *, seconds: float = 4, segments: int = 3, preset: str = "veryfast",
    ladder: dict[int, int] = LADDER,
) -> Plan:
    """What is to be made of an upload: segments of so many `seconds`, and pieces of at least so many `segments`."""
    rate, frames, last = rate_of(facts, ticks)
    segment = max(1, round(seconds * rate))
    length = segment * piece_length(frames, segment, segments)
    return Plan(
        rate=str(rate), frames=frames, segment=segment, last=last, sizes=sizes_of(facts, ladder), preset=preset,
        pieces=pieces_of(facts, ticks, rate=rate, frames=frames, length=length),
        first=("yadif=deint=interlaced",) * facts.interlaced, filters=TONES * facts.bright,
    )


def piece_length(frames: int, segment: int, segments: int) -> int:
    """Segments in a piece: as many as are asked for, or more where there would be too many pieces."""
    return max(segments, -(-frames // (segment * MOST_PIECES)))


def rate_of(facts: Facts, ticks: array[int]) -> tuple[Fraction, int, int]:
    """Frames per second of what is made, how many there will be, and how many times more the last one is shown.

    An upload of one steady rate keeps it, and every frame; at any other, frames are left out or shown again.
    """
    tick = Fraction(facts.tick)
    if len(ticks) < 2 or ticks[-1] == ticks[0]:
        return Fraction(25), 1, 0
    gaps = sorted(later - earlier for earlier, later in pairwise(ticks))
    mean = Fraction(ticks[-1] - ticks[0], len(gaps))
    rate = usual(1 / (mean * tick), near=NEAR)
    steady = max(gaps[-1] - mean, mean - gaps[0]) <= max(Fraction(1), mean / 50)
    if steady and SLOWEST <= rate <= FASTEST:
        return rate, len(ticks), 0
    rate = within(rate if steady else usual(1 / (max(gaps[len(gaps) // 2], 1) * tick), near=ABOUT))
    left = min(max(0.0, facts.end - float(ticks[-1] * tick)), LONGEST_LAST)
    last = max(0, round(left * rate) - 1)
    return rate, round((ticks[-1] - ticks[0]) * tick * rate) + 1 + last, last


def usual(rate: Fraction, *, near: Fraction) -> Fraction:
    """The rate that was meant by one that was measured."""
    nearest = min(STANDARD, key=lambda standard: abs(rate - standard))
    return nearest if abs(rate - nearest) <= nearest * near else rate.limit_denominator(1001)


def within(rate: Fraction) -> Fraction:
    """A rate that screens show: the same, or a whole part of it."""
    while rate > FASTEST:
        rate /= 2
    return max(rate, Fraction(SLOWEST))


def sizes_of(facts: Facts, ladder: dict[int, int]) -> tuple[Size, ...]:
    """The sizes to be made: those of the ladder that are no larger than the upload; where all are, the upload's own."""
    shorter = min(facts.width, facts.height)
    fitting = {side: most for side, most in ladder.items() if side <= shorter}
    chosen = fitting or {max(2, shorter - shorter % 2): min(ladder.values())}
    return tuple(
        Size(f"{side}p", even(facts.width * side / shorter), even(facts.height * side / shorter), most)
        for side, most in chosen.items()
    )


def even(length: float) -> int:
    """The nearest even number: chroma is stored at half the size."""
    return max(2, 2 * round(length / 2))


def pieces_of(
    facts: Facts, ticks: array[int], *, rate: Fraction, frames: int, length: int,
) -> tuple[Piece, ...]:
    """Where the frames are cut. The last piece takes what is left, so that none is shorter than a whole one."""
    starts = range(0, max(1, frames - length + 1), length)
    ends = [*starts[1:], frames]
    return tuple(
        Piece(i, start, end, seek_of(facts, ticks, moment=start / rate))
        for i, (start, end) in enumerate(zip(starts, ends, strict=True))
    )


def seek_of(facts: Facts, ticks: array[int], *, moment: Fraction) -> float:
    """Where to look from, in seconds, for the frame shown at a moment after the first frame; 0: from the start."""
    tick = Fraction(facts.tick)
    last = bisect_right(ticks, int(moment / tick) + ticks[0]) - 1
    from_here = last - BEFORE
    if from_here < 1 or not facts.indexed:
        return 0.0
    between = Fraction(ticks[from_here - 1] + ticks[from_here], 2)
    return max(0.0, round(float(between * tick) - facts.start, 6))


def before(plan: Plan, piece: Piece) -> tuple[str, ...]:
    """What ffmpeg is told ahead of its input. The clock of the upload is kept, for all pieces to be cut by."""
    seek = ("-ss", f"{piece.seek:.6f}") if piece.seek else ()
    return ("-threads", "1", *READ, "-copyts", *seek)


def after(plan: Plan, facts: Facts, *, piece: Piece, size: Size) -> tuple[str, ...]:
    """What ffmpeg is told between its input and its output."""
    return (
        "-map", f"0:{facts.video}", "-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1",
        "-filter:v", ",".join(chain(plan, facts, piece=piece, size=size)), "-fps_mode", "passthrough",
        "-threads", "1", *encoder(plan, size), "-f", "mp4",
    )


def chain(plan: Plan, facts: Facts, *, piece: Piece, size: Size) -> list[str]:
    """The filters: frames at the rate, those of the piece, counted from 0; then the size, in square pixels."""
    final = piece == plan.pieces[-1]
    more = (f"tpad=stop={plan.last}:stop_mode=clone",) * (final and plan.last > 0)
    return [
        f"setpts=PTS-({facts.first})", *plan.first, f"fps={plan.rate}:eof_action=pass", *more,
        f"trim=start_pts={piece.start}{'' if final else f':end_pts={piece.end}'}", f"setpts=PTS-{piece.start}",
        *plan.filters, f"scale={size.width}:{size.height}:flags=bicubic:out_range=tv", "setsar=1", "format=yuv420p",
    ]


def encoder(plan: Plan, size: Size) -> tuple[str, ...]:
    """H.264 with a keyframe at the start of each segment, and nowhere else.

    Without frames that are stored ahead of their turn (-bf 0): a segment's clock starts at its first frame, whichever
    player reads it, so picture and sound stay together; it costs a few percent of the size.
    """
    return (
        "-c:v", "libx264", "-preset", plan.preset, "-profile:v", "high", "-crf", "23", "-maxrate", f"{size.most}k",
        "-bufsize", f"{2 * size.most}k", "-g", str(plan.segment), "-keyint_min", str(plan.segment),
        "-sc_threshold", "0", "-bf", "0", "-video_track_timescale", str(timescale(Fraction(plan.rate))),
    )


def timescale(rate: Fraction) -> int:
    """Ticks per second of what is made: a frame is a whole number of them."""
    times = 1
    while rate.numerator * times < 10_000:
        times *= 2
    return rate.numerator * times

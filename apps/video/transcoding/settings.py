"""What differs from one installation to another in transcoding; read where uploads are inspected, by workers."""

from __future__ import annotations

from craton import Settings


class TranscodingSettings(Settings):
    """`segment`: seconds of a segment. `segments`: how many a piece has that is encoded as one job, at least. `preset`:
    how much time libx264 may take for small files. `sizes`: lengths of the shorter side, with commas between them.
    `late`: seconds in which a worker may still write what is not wanted any more, since it has not heard so yet."""

    segment: float = 4
    segments: int = 3
    preset: str = "veryfast"
    sizes: str = "240,360,480,720"
    late: float = 60

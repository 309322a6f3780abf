"""The tasks of transcoding, and what goes in and comes out. Workers may be written in any language.

Where a task's result says what is wrong with the video, in place of an error, its worker was right and need not try
again: the saga decides what that means.
"""

from __future__ import annotations

from craton import Value


class Chunk(Value):
    """One piece of a video in one size, to be encoded: `ffmpeg <before> -i <source> <after> <a file>`.

    The options are decided once for the whole video, so that pieces made by different workers, in different languages
    and versions, fit together. `source`: the blob with the upload. `frames`: how many are to come out.
    """

    video: str
    rendition: str
    index: int
    source: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    frames: int


class Encoded(Value):
    """A piece that was encoded: a blob under the job's folder, how many frames it has, and its size in bytes."""

    rendition: str
    index: int
    path: str
    frames: int
    size: int

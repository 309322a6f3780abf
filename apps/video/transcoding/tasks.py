"""The tasks of transcoding, and what goes in and comes out.

`encode`, which takes nearly all of the time, may be done by workers in any language; the others are Python's. Each
input begins with the video, by which its jobs are found when it is deleted.
"""

from __future__ import annotations

from apps.video.transcoding.media.checking import Measured
from apps.video.transcoding.media.inspecting import Facts
from apps.video.transcoding.media.planning import Plan, Size
from apps.video.videos.editions import Edition
from craton import Fault, Task, Value


class Upload(Value):
    """What was uploaded: a blob."""

    video: str
    source: str


class Chunk(Value):
    """One piece of a video in one size, to be encoded: `ffmpeg <before> -i <source> <after> <a file>`.

    The options are decided once for the whole video, so that pieces made by different workers, in different languages
    and versions, fit together. `source`: the blob to read. `frames`: how many are to come out.
    """

    video: str
    rendition: str
    index: int
    source: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    frames: int


class Inspected(Value):
    """What it is, and what is to be made of it. `source`: the blob to work with: the upload, or the same streams in a
    container with an index. `chunks`: the largest size, which takes longest, first."""

    source: str
    facts: Facts
    plan: Plan
    chunks: tuple[Chunk, ...]


class Encoded(Value):
    """A piece that was encoded: a blob under the job's folder, how many frames it has, and its size in bytes."""

    rendition: str
    index: int
    path: str
    frames: int
    size: int


class Work(Value):
    """Something to be done with the whole of it."""

    video: str
    source: str
    facts: Facts
    plan: Plan


class Part(Value):
    """Files of an edition, which were checked where that applies: blobs in one folder."""

    folder: str
    files: tuple[str, ...]
    measured: Measured | None = None


class Pieces(Value):
    """All pieces of one size, in their order: blobs."""

    video: str
    size: Size
    plan: Plan
    paths: tuple[str, ...]


class Parts(Value):
    """All that an edition consists of: the sizes of the plan, in its order; the sound, where there is one; pictures."""

    video: str
    plan: Plan
    sizes: tuple[Part, ...]
    sound: Part | None
    pictures: Part


class Finished(Value):
    """An edition whose files are all in their places, and were looked over."""

    edition: Edition


class Remove(Value):
    """Folders of blobs that nobody needs any more, but for what is in the folder that is `kept`."""

    video: str
    folders: tuple[str, ...]
    kept: str = ""


class Removed(Value):
    """They are gone."""


class Unplayable(Fault, status=422):
    """Nothing can be made of what was uploaded."""

    reason: str


inspect = Task(
    "inspect", Upload, Inspected, queue="media", timeout=3600, retries=3, backoff=(1, 60), priority=5,
    raises=Unplayable,
)
encode = Task("encode", Chunk, Encoded, queue="transcode", timeout=3600, stall=90, retries=5, backoff=(1, 60))
hear = Task("hear", Work, Part, queue="media", timeout=7200, stall=300, retries=3, backoff=(1, 60))
depict = Task("depict", Work, Part, queue="media", timeout=3600, retries=3, backoff=(1, 60))
assemble = Task("assemble", Pieces, Part, queue="media", timeout=3600, retries=3, backoff=(1, 60), priority=5)
finish = Task("finish", Parts, Finished, queue="media", timeout=3600, retries=3, backoff=(1, 60), priority=10)
remove = Task("remove", Remove, Removed, queue="media", timeout=600, retries=10, backoff=(2, 600))

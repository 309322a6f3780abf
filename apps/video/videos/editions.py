"""What transcoding makes of a video: an edition, whose files lie together in one folder of the blobs."""

from __future__ import annotations

from typing import Literal

from craton import Value

Privacy = Literal["public", "unlisted", "private"]
"""Who may watch: everybody; everybody who knows the address; the owner alone."""


class Rendition(Value):
    """One size of an edition, such as "720p". `bandwidth`: bits a second at most."""

    name: str
    width: int
    height: int
    bandwidth: int


class Edition(Value):
    """Files to watch, which never change once they are published: whatever is transcoded anew gets another folder.

    `folder`: their prefix in the blobs, such as "videos/video-1/job-2"; every other place is relative to it, and so is
    every address in a playlist. `duration`: seconds. `width`, `height`: of the upright picture, in pixels.
    `storyboard`: a WebVTT file that names a part of a picture for each few seconds; empty where there is none.
    """

    folder: str
    duration: float
    width: int
    height: int
    renditions: tuple[Rendition, ...]
    playlist: str = "master.m3u8"
    thumbnail: str = "thumbnail.jpg"
    storyboard: str = ""

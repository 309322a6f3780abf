"""What happens to videos, in the order in which it happens to each."""

from __future__ import annotations

from apps.video.videos.editions import Edition, Privacy
from craton import Event


class VideoUploaded(Event, key="video"):
    """All bytes of a video are there: under `source` in the blobs, `size` of them, as its owner sent them."""

    video: str
    owner: str
    title: str
    upload: str
    source: str
    size: int
    media_type: str


class VideoPublished(Event, key="video"):
    """A video can be watched, by whom its privacy lets."""

    video: str
    owner: str
    title: str
    privacy: Privacy
    edition: Edition


class VideoDescribed(Event, key="video"):
    """Its owner says something else of a video, or lets others watch it."""

    video: str
    owner: str
    title: str
    privacy: Privacy


class VideoFailed(Event, key="video"):
    """A video could not be made: `reason` is a sentence for its owner."""

    video: str
    owner: str
    reason: str


class VideoDeleted(Event, key="video"):
    """A video is no more: whoever keeps files or jobs of it lets go of them."""

    video: str
    owner: str
    upload: str

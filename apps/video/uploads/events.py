"""What happens to uploads, in the order in which it happens to each."""

from __future__ import annotations

from typing import Literal

from apps.video.videos.editions import Privacy
from craton import Event


class UploadBegun(Event, key="upload"):
    """Somebody uploads what is to become a video."""

    upload: str
    video: str
    owner: str
    title: str
    privacy: Privacy


class UploadJoined(Event, key="upload"):
    """The parts of an upload are one file now: its place in the blobs, its bytes, what they hash to (SHA-256, in hex),
    and what they look like: a media type, or nothing where they are of no kind that is known for a video's."""

    upload: str
    source: str
    size: int
    sha256: str
    looks: str


class UploadFinished(Event, key="upload"):
    """All of an upload is there: one file in the blobs, and what is to be is what was sent."""

    upload: str
    video: str
    owner: str
    source: str
    size: int
    media_type: str


class UploadEnded(Event, key="upload"):
    """No video comes of an upload; `reason` is a sentence for its owner, where `why` is that it was refused."""

    upload: str
    video: str
    why: Literal["aborted", "expired", "refused"]
    reason: str = ""


class SweepDue(Event):
    """It is time to look for uploads that have expired."""

"""What others may know of videos."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from apps.video.playback.events import VideoViewed
from apps.video.uploads.events import UploadBegun, UploadEnded, UploadFinished
from apps.video.videos.editions import Edition, Privacy
from craton import Fault, Page, Value, Version, command, on, query

State = Literal["to_upload", "uploaded", "transcoding", "published", "failed", "deleted"]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=5000)]
Question = Annotated[str, Meta(max_length=200)]
Few = Annotated[int, Meta(ge=1, le=100)]


class Video(Value):
    """A video, as whoever may see it knows it. `version` counts what its owner says of it, and nothing else.

    `duration`, in seconds, is known once it is published. `reason`: why it failed, for its owner alone.
    """

    id: str
    owner: str
    title: str
    description: str
    privacy: Privacy
    state: State
    version: Version
    created: datetime
    views: int = 0
    likes: int = 0
    duration: float = 0.0
    height: int = 0
    reason: str = ""


class VideoNotFound(Fault, status=404):
    """There is no such video, or none that the caller may see."""

    video: str


class VideoChanged(Fault, status=409):
    """Its owner has changed it meanwhile: look at it again."""

    video: str
    version: int


class InvalidCursor(Fault, status=400):
    """The cursor is none that a page of this list gave."""


class Videos(Protocol):
    """Videos: their states, what their owners say of them, and what their viewers think."""

    @query(get="/videos/{video}", raises=VideoNotFound, allow="anyone")
    async def video(self, video: str) -> Video:
        """One video. Who is not its owner sees it once it is published, and not private."""
        ...

    @query(get="/videos", raises=InvalidCursor, allow="anyone")
    async def search(self, q: Question = "", cursor: str | None = None, limit: Few = 24) -> Page[Video]:
        """Public videos in which all these words stand, the newest first."""
        ...

    @query(get="/me/videos", raises=InvalidCursor, allow="user")
    async def mine(self, cursor: str | None = None, limit: Few = 24) -> Page[Video]:
        """The caller's own videos, in all their states, the newest first."""
        ...

    @command(patch="/videos/{video}", raises=(VideoNotFound, VideoChanged), allow="user")
    async def describe(
        self, video: str, version: Version, title: Title | None = None, description: Text | None = None,
        privacy: Privacy | None = None,
    ) -> Video:
        """Say something else of the caller's video; what is left out stays. Its state does not matter."""
        ...

    @command(delete="/videos/{video}", raises=VideoNotFound, allow="user")
    async def delete(self, video: str) -> None:
        """Delete the caller's video (an administrator: any), in whatever state: its jobs stop, its files go."""
        ...

    @query(get="/videos/{video}/like", raises=VideoNotFound, allow="user")
    async def liked(self, video: str) -> bool:
        """Whether the caller likes it."""
        ...

    @command(put="/videos/{video}/like", raises=VideoNotFound, allow="user")
    async def like(self, video: str) -> int:
        """The caller likes it; how many do. Liking it twice is liking it."""
        ...

    @command(delete="/videos/{video}/like", raises=VideoNotFound, allow="user")
    async def unlike(self, video: str) -> int:
        """The caller does not like it any more; how many do."""
        ...

    @command(raises=VideoNotFound)
    async def begin(self, video: str) -> None:
        """Transcoding of an uploaded video begins. VideoNotFound once it is deleted."""
        ...

    @command(raises=VideoNotFound)
    async def publish(self, video: str, edition: Edition) -> None:
        """All files of an edition are in place, and were looked over: it can be watched. The same edition may be
        published again. VideoNotFound once the video is deleted: remove the files."""
        ...

    @command(raises=VideoNotFound)
    async def fail(self, video: str, reason: str) -> None:
        """The video cannot be made; `reason` is a sentence for its owner. One that is published stays so."""
        ...

    @on(UploadBegun)
    async def expect(self, event: UploadBegun) -> None:
        """Somebody uploads a video."""
        ...

    @on(UploadFinished)
    async def receive(self, event: UploadFinished) -> None:
        """All of a video is there: VideoUploaded follows."""
        ...

    @on(UploadEnded)
    async def lose(self, event: UploadEnded) -> None:
        """No video comes of an upload."""
        ...

    @on(VideoViewed)
    async def count(self, event: VideoViewed) -> None:
        """Somebody has watched a video."""
        ...

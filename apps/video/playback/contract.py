"""What others may know of playback."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Protocol

from msgspec import Meta

from apps.video.videos.events import VideoDeleted, VideoDescribed, VideoPublished
from craton import Fault, Value, command, on, query

Seconds = Annotated[float, Meta(ge=0, le=1e7)]


class Ticket(Value):
    """What a player needs. Addresses are paths of this application, signed, and good until `expires`; the files that a
    playlist names are under the same signature. `position`: seconds into the video where the caller left it."""

    video: str
    title: str
    owner: str
    duration: float
    playlist: str
    thumbnail: str
    storyboard: str
    position: float
    expires: datetime


class Cover(Value):
    """The picture that stands for a video, under a signed address."""

    video: str
    thumbnail: str
    duration: float


class NotPlayable(Fault, status=404):
    """There is no such video to be watched, or not by the caller."""

    video: str


class Playback(Protocol):
    """Who may watch what, where it lies, and how far they are. It needs no other module while somebody watches."""

    @query(get="/videos/{video}/ticket", raises=NotPlayable, allow="anyone")
    async def watch(self, video: str) -> Ticket:
        """What to play, for as long as the addresses last. Ask again for others."""
        ...

    @query(get="/covers", allow="anyone")
    async def covers(self, videos: tuple[str, ...]) -> tuple[Cover, ...]:
        """The pictures of those of these videos, the first hundred, that the caller may watch."""
        ...

    @command(post="/videos/{video}/heartbeats", raises=NotPlayable, keyed=False)
    async def heartbeat(self, video: str, position: Seconds, watched: Seconds) -> None:
        """The caller is at `position`, and has watched so many seconds since they opened it. Sent every few seconds;
        lost ones and repeated ones do not matter: a view counts once in a while."""
        ...

    @on(VideoPublished)
    async def show(self, event: VideoPublished) -> None:
        """It can be watched from now on."""
        ...

    @on(VideoDescribed)
    async def redescribe(self, event: VideoDescribed) -> None:
        """It is called something else, or others may watch it."""
        ...

    @on(VideoDeleted)
    async def withdraw(self, event: VideoDeleted) -> None:
        """It can be watched no more."""
        ...

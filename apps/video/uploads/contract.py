"""What others may know of uploads."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from apps.video.uploads.events import SweepDue, UploadJoined
from apps.video.videos.editions import Privacy
from apps.video.videos.events import VideoDeleted
from craton import Fault, JobFailed, Value, command, on, query

State = Literal["open", "joining", "done", "refused", "aborted", "expired", "deleted"]
FileName = Annotated[str, Meta(max_length=255)]
MediaType = Annotated[str, Meta(max_length=100)]
Title = Annotated[str, Meta(max_length=200)]
Size = Annotated[int, Meta(ge=1, le=2**53)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Part(Value):
    """Bytes that have come: where they are in the blobs, and how many there are."""

    path: str
    size: Annotated[int, Meta(ge=1)]


class Upload(Value):
    """A file on its way: `offset` of its `size` bytes have come. It becomes the video `video`."""

    id: str
    video: str
    owner: str
    filename: str
    media_type: str
    size: int
    offset: int
    state: State
    expires: datetime
    reason: str = ""


class Usage(Value):
    """The bytes that somebody's uploads take, of those that they may."""

    used: int
    quota: int


class UploadNotFound(Fault, status=404):
    """The caller has no such upload."""

    upload: str


class UploadGone(Fault, status=410):
    """The upload has expired, or was given up: begin another."""

    upload: str


class OffsetConflict(Fault, status=409):
    """The bytes do not follow those that have come: go on at `offset`."""

    upload: str
    offset: int


class TooLarge(Fault, status=413):
    """More bytes than one upload may have, or than it was said to have."""

    most: int


class QuotaExceeded(Fault, status=413):
    """The caller's videos would take more bytes than they may."""

    used: int
    quota: int


class UnsupportedMedia(Fault, status=415):
    """The file is no video of a kind that is known here."""

    media_type: str


class Uploads(Protocol):
    """Uploads in parts. Bytes come by tus 1.0 under /files; here is what is known of them."""

    @command(post="/uploads", raises=(TooLarge, QuotaExceeded, UnsupportedMedia), allow="user")
    async def create(
        self, filename: FileName, size: Size, media_type: MediaType, title: Title = "", privacy: Privacy = "private",
        sha256: Sha256 | None = None,
    ) -> Upload:
        """Begin an upload of so many bytes; they go to /files/{id}. `sha256`: what they are to hash to."""
        ...

    @query(get="/uploads/{upload}", raises=UploadNotFound, allow="user")
    async def upload(self, upload: str) -> Upload:
        """One of the caller's uploads."""
        ...

    @query(get="/uploads", allow="user")
    async def unfinished(self) -> tuple[Upload, ...]:
        """The caller's uploads that have not ended, the newest first."""
        ...

    @query(get="/me/usage", allow="user")
    async def usage(self) -> Usage:
        """How much of their quota the caller uses."""
        ...

    @command(raises=(UploadNotFound, UploadGone, OffsetConflict, TooLarge))
    async def append(self, upload: str, offset: int, parts: tuple[Part, ...]) -> Upload:
        """So many more bytes have come, which belong at `offset`: all of them are recorded, or none."""
        ...

    @command(delete="/uploads/{upload}", raises=(UploadNotFound, UploadGone), allow="user")
    async def abort(self, upload: str) -> None:
        """Give up one of the caller's uploads, before it has become a video."""
        ...

    @on(UploadJoined)
    async def finish(self, event: UploadJoined) -> None:
        """Its parts are one file: it is done, or refused where that is not what was to come."""
        ...

    @on(JobFailed)
    async def give_up(self, event: JobFailed) -> None:
        """What cannot be put together is refused."""
        ...

    @on(SweepDue)
    async def expire(self, event: SweepDue) -> None:
        """Uploads that have waited too long for their next bytes end."""
        ...

    @on(VideoDeleted)
    async def forget(self, event: VideoDeleted) -> None:
        """Its video is no more: its bytes go, and count no longer."""
        ...

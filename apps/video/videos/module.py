"""The shelf of videos: their states, what their owners say of them, and what their viewers think."""

from __future__ import annotations

from typing import Any

from apps.video.playback.events import VideoViewed
from apps.video.uploads.events import UploadBegun, UploadEnded, UploadFinished
from apps.video.videos.contract import Few, Question, Text, Title, Video, VideoChanged, VideoNotFound, Videos
from apps.video.videos.editions import Edition, Privacy
from apps.video.videos.events import VideoDeleted, VideoDescribed, VideoFailed, VideoPublished, VideoUploaded
from apps.video.videos.records import SHOWN, Records, asked, video_of, words_of
from apps.video.videos.tables import videos
from craton import Call, Clock, Database, Events, Page, Version


class Shelf(Videos):
    """Videos in the database. What an owner says of a video and how far it is are apart: neither changes the other."""

    def __init__(self, db: Database, events: Events, call: Call, clock: Clock) -> None:
        self.events, self.call, self.clock, self.records = events, call, clock, Records(db)

    # ------------------------------------------------------------------ for viewers

    async def video(self, video: str) -> Video:
        return video_of(await self.seen(video), self.subject)

    async def search(self, q: Question = "", cursor: str | None = None, limit: Few = 24) -> Page[Video]:
        return await self.records.page(SHOWN, *asked(q), cursor=cursor, limit=limit, owner=self.subject)

    async def liked(self, video: str) -> bool:
        await self.seen(video)
        return await self.records.liked(video, self.subject)

    async def like(self, video: str) -> int:
        await self.seen(video)
        return await self.records.like(video, self.subject, likes=True)

    async def unlike(self, video: str) -> int:
        await self.seen(video)
        return await self.records.like(video, self.subject, likes=False)

    async def count(self, event: VideoViewed) -> None:
        await self.records.count(event.video)

    # ------------------------------------------------------------------ for owners

    async def mine(self, cursor: str | None = None, limit: Few = 24) -> Page[Video]:
        own = (videos.c.owner == self.subject, videos.c.state != "deleted")
        return await self.records.page(*own, cursor=cursor, limit=limit, owner=self.subject)

    async def describe(
        self, video: str, version: Version, title: Title | None = None, description: Text | None = None,
        privacy: Privacy | None = None,
    ) -> Video:
        row = await self.own(video)
        if row["version"] != version:
            raise VideoChanged(video, row["version"])
        now: dict[str, Any] = dict(
            title=row["title"] if title is None else title.strip() or row["title"],
            description=row["description"] if description is None else description,
            privacy=row["privacy"] if privacy is None else privacy, version=version + 1,
        )
        await self.records.change(video, **now, words=words_of(now["title"], now["description"]))
        await self.events.publish(VideoDescribed(video, row["owner"], now["title"], now["privacy"]))
        return video_of({**row, **now}, self.subject)

    async def delete(self, video: str) -> None:
        row = await self.own(video)
        await self.records.delete(video)
        await self.events.publish(VideoDeleted(video, row["owner"], row["upload"]))

    # ------------------------------------------------------------------ how far they are

    async def expect(self, event: UploadBegun) -> None:
        if not await self.records.known(event.video):
            await self.records.make(dict(
                id=event.video, owner=event.owner, upload=event.upload, title=event.title, privacy=event.privacy,
                state="to_upload", created=self.clock.now().timestamp(),
            ))

    async def receive(self, event: UploadFinished) -> None:
        if (row := await self.records.find(event.video)) is not None and row["state"] == "to_upload":
            await self.records.change(event.video, state="uploaded")
            await self.events.publish(VideoUploaded(
                event.video, event.owner, row["title"], event.upload, event.source, event.size, event.media_type,
            ))

    async def lose(self, event: UploadEnded) -> None:
        row = await self.records.find(event.video)
        if row is None or row["state"] != "to_upload":
            return
        if event.why == "refused":
            await self.fail(event.video, event.reason)
        else:
            await self.records.delete(event.video)

    async def begin(self, video: str) -> None:
        if (await self.there(video))["state"] in ("uploaded", "failed"):
            await self.records.change(video, state="transcoding", reason="")

    async def publish(self, video: str, edition: Edition) -> None:
        row = await self.there(video)
        if row["state"] == "published" and row["edition"] == edition.folder:
            return
        known = dict(edition=edition.folder, duration=edition.duration, height=edition.height)
        await self.records.change(video, state="published", reason="", **known)
        await self.events.publish(VideoPublished(video, row["owner"], row["title"], row["privacy"], edition))

    async def fail(self, video: str, reason: str) -> None:
        row = await self.there(video)
        if row["state"] != "published":
            await self.records.change(video, state="failed", reason=reason)
            await self.events.publish(VideoFailed(video, row["owner"], reason))

    # ------------------------------------------------------------------ what these have in common

    @property
    def subject(self) -> str:
        """Who asks."""
        return self.call.caller.subject

    async def there(self, video: str) -> Any:
        """A video that is not deleted."""
        if (row := await self.records.find(video)) is None:
            raise VideoNotFound(video)
        return row

    async def own(self, video: str) -> Any:
        """A video that the caller may change: their own, or any for an administrator."""
        row = await self.there(video)
        if not self.owns(row):
            raise VideoNotFound(video)
        return row

    async def seen(self, video: str) -> Any:
        """A video that the caller may see."""
        row = await self.there(video)
        if not self.owns(row) and (row["state"] != "published" or row["privacy"] == "private"):
            raise VideoNotFound(video)
        return row

    def owns(self, row: Any) -> bool:
        """Whether a video is the caller's, or the caller an administrator."""
        return row["owner"] == self.subject != "" or "admin" in self.call.caller.roles

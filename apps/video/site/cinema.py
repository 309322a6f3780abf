"""The cinema behind the pages: the modules that they ask, and how long they wait for them."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from apps.store.users.contract import Users
from apps.video.playback.contract import Cover, Playback
from apps.video.site.settings import SiteSettings
from apps.video.transcoding.contract import Progress, Transcoding
from apps.video.uploads.contract import Uploads
from apps.video.videos.contract import Video, Videos
from craton import Call, CallError, Fault, Ids

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Cinema:
    """The modules that pages ask. What a page can do without is asked for by `soon`."""

    users: Users
    uploads: Uploads
    videos: Videos
    playback: Playback
    transcoding: Transcoding | None
    call: Call
    ids: Ids
    settings: SiteSettings

    async def soon(self, asked: Awaitable[T], otherwise: U) -> T | U:
        """An answer that a page can do without: something else, where it does not come soon."""
        try:
            async with self.call.within(self.settings.patience):
                return await asked
        except (CallError, Fault):
            return otherwise

    async def covers(self, videos: Sequence[Video]) -> dict[str, Cover]:
        """The pictures of those that can be watched, by video; fewer, where they cannot be known soon."""
        wanted = tuple(video.id for video in videos if video.state == "published")
        found: tuple[Cover, ...] = await self.soon(self.playback.covers(wanted), ()) if wanted else ()
        return {cover.video: cover for cover in found}

    async def progress(self, videos: Sequence[Video]) -> dict[str, Progress]:
        """How far those are that are being transcoded, by video, as far as that can be known soon."""
        transcoding, busy = self.transcoding, [v.id for v in videos if v.state in ("uploaded", "transcoding")]
        if transcoding is None:
            return {}
        found = await gather(*(self.soon(transcoding.progress(video), None) for video in busy))
        return {one.video: one for one in found if one is not None}

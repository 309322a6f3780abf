"""Owners: their uploads, how far their videos are, and what they say of them."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass
from typing import Any, cast, get_args

from starlette.responses import Response

from apps.video.site.cinema import Cinema
from apps.video.site.rendering import page
from apps.video.site.serving import go, new_key, once
from apps.video.site.visit import Visit
from apps.video.uploads.contract import Upload, UploadGone, Usage
from apps.video.videos.contract import InvalidCursor, Video, VideoChanged
from apps.video.videos.editions import Privacy
from craton import NotAuthenticated, Page

MANY = 24
SIGN_IN = "sign in to see your own videos."


@dataclass(frozen=True, slots=True)
class Owning:
    """A visitor's own videos."""

    cinema: Cinema

    async def upload(self, visit: Visit) -> Response:
        """The form to upload one."""
        if not visit.known:
            raise NotAuthenticated(SIGN_IN)
        found: tuple[tuple[Upload, ...], Usage | None] = await gather(
            self.cinema.soon(self.cinema.uploads.unfinished(), ()),
            self.cinema.soon(self.cinema.uploads.usage(), None),
        )
        unfinished = [one for one in found[0] if one.state == "open"]
        return page("upload.html", visit, unfinished=unfinished, usage=found[1])

    async def abort(self, visit: Visit) -> Response:
        """Give one up before all of it has come."""
        try:
            await self.cinema.uploads.abort(visit.request.path_params["upload"])
        except UploadGone:
            pass  # which is what was wanted
        return go("/upload")

    async def list(self, visit: Visit) -> Response:
        """All of them."""
        if not visit.known:
            raise NotAuthenticated(SIGN_IN)
        try:
            found = await self.cinema.videos.mine(visit.request.query_params.get("cursor") or None, MANY)
        except InvalidCursor:
            found = Page(())
        shown: tuple[Any, Any, Usage | None] = await gather(
            self.cinema.covers(found.items), self.cinema.progress(found.items),
            self.cinema.soon(self.cinema.uploads.usage(), None),
        )
        covers, progress, usage = shown
        return page("yours.html", visit, found=found, covers=covers, progress=progress, usage=usage)

    async def look(self, visit: Visit) -> Response:
        """One of them."""
        return await self.shown(visit, await self.own(visit), {})

    async def state(self, visit: Visit) -> Response:
        """How far one is: a part of its page."""
        video = await self.own(visit)
        progress = await self.cinema.progress([video])
        return page("state.html", visit, video=video, progress=progress)

    async def shown(self, visit: Visit, video: Video, errors: dict[str, str]) -> Response:
        """The page of one."""
        covers, progress = await gather(self.cinema.covers([video]), self.cinema.progress([video]))
        return page(
            "video.html", visit, status=422 if errors else 200, video=video, covers=covers, progress=progress,
            errors=errors, typed=visit.form, key=new_key(self.cinema),
        )

    async def describe(self, visit: Visit) -> Response:
        """Say something else of one."""
        video, form = await self.own(visit), visit.form
        title, version = form.get("title", ""), form.get("version", "")
        if not title or len(title) > 200:
            return await self.shown(visit, video, {"title": "Give it a title of at most 200 characters."})
        text, privacy = form.get("description", "")[:5000].replace("\r\n", "\n"), form.get("privacy")
        if privacy not in get_args(Privacy) or not version.isdecimal() or len(version) > 9:
            return await self.shown(visit, video, {"privacy": "Choose who may watch it."})
        try:
            with once(self.cinema, visit):
                await self.cinema.videos.describe(video.id, int(version), title, text, cast("Privacy", privacy))
        except VideoChanged:
            return await self.shown(visit, video, {"title": "It was changed meanwhile, perhaps in another window. "
                                                            "Look at it, and save again what you want."})
        return go(f"/yours/{video.id}", note="saved")

    async def delete(self, visit: Visit) -> Response:
        """Delete one."""
        video = await self.own(visit)
        with once(self.cinema, visit):
            await self.cinema.videos.delete(video.id)
        return go("/yours", note="deleted")

    async def own(self, visit: Visit) -> Video:
        """The video of a page, which only its owner, or an administrator, sees."""
        found = await self.cinema.videos.video(visit.request.path_params["video"])
        if found.owner != visit.caller.subject and "admin" not in visit.caller.roles:
            raise NotAuthenticated(SIGN_IN)
        return found

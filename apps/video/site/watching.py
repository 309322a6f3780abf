"""Watching: the page with the player, and what the player asks for while it plays."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass

import msgspec
from starlette.responses import JSONResponse, Response

from apps.video.playback.contract import NotPlayable, Ticket
from apps.video.site.cinema import Cinema
from apps.video.site.rendering import page
from apps.video.site.serving import go, once
from apps.video.site.sessions import begin
from apps.video.site.visit import Visit
from craton import CallError, Fault

FRESH = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Watching:
    """One video. Only playback must answer: likes, views and what is said of it are shown where they can be known."""

    cinema: Cinema

    async def look(self, visit: Visit) -> Response:
        """The page with the player; where there is nothing to play, how far it is, for its owner."""
        video = visit.request.path_params["video"]
        await begin(self.cinema, visit)
        with self.cinema.call.acting(visit.token):
            try:
                ticket = await self.cinema.playback.watch(video)
            except NotPlayable:
                return await self.wait(visit, video)
            about, liked = await gather(
                self.cinema.soon(self.cinema.videos.video(video), None), self.liked(visit, video),
            )
        owns = ticket.owner == visit.caller.subject or "admin" in visit.caller.roles
        return page("watch.html", visit, ticket=ticket, about=about, liked=liked, owns=owns)

    async def wait(self, visit: Visit, video: str) -> Response:
        """Its owner sees how far it is; for others there is none."""
        await self.cinema.videos.video(video)
        return go(f"/yours/{video}")

    async def liked(self, visit: Visit, video: str) -> bool:
        """Whether the visitor likes it."""
        return await self.cinema.soon(self.cinema.videos.liked(video), False) if visit.known else False

    async def ticket(self, visit: Visit) -> Response:
        """Addresses that are good for longer, for a player whose own have expired."""
        found: Ticket = await self.cinema.playback.watch(visit.request.path_params["video"])
        return Response(msgspec.json.encode(found), 200, FRESH, "application/json")

    async def beat(self, visit: Visit) -> Response:
        """Where the player is. Nobody is told where that could not be kept: the next one comes soon."""
        try:
            at, watched = (min(max(float(visit.form.get(name, "")), 0.0), 1e7) for name in ("position", "watched"))
            if visit.caller.subject:
                await self.cinema.playback.heartbeat(visit.request.path_params["video"], at, watched)
        except ValueError:
            return JSONResponse({"detail": "position and watched are seconds."}, 400)
        except (Fault, CallError):
            return Response(status_code=204)
        return Response(status_code=204)

    async def like(self, visit: Visit) -> Response:
        """Like it, or do not any more."""
        video, videos = visit.request.path_params["video"], self.cinema.videos
        with once(self.cinema, visit):
            await (videos.unlike(video) if visit.form.get("not") else videos.like(video))
        return go(f"/watch/{video}")

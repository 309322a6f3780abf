"""The pages as an ASGI application: every one with its address."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.store.users.contract import Users
from apps.video.playback.contract import Playback
from apps.video.site import statics
from apps.video.site.account import AccountPages
from apps.video.site.browsing import Library
from apps.video.site.cinema import Cinema
from apps.video.site.owning import Owning
from apps.video.site.rendering import environment
from apps.video.site.serving import Handler, Server
from apps.video.site.settings import SiteSettings
from apps.video.site.watching import Watching
from apps.video.transcoding.contract import Transcoding
from apps.video.uploads.contract import Uploads
from apps.video.videos.contract import Videos
from craton import Call, Ids

HEADERS = [(name.encode(), text.encode()) for name, text in {
    "content-security-policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
}.items()]
"""What browsers are told to allow these pages: nothing that is not the site's own. (Players make blobs of segments.)"""
ROBOTS = "User-agent: *\nDisallow: /yours\nDisallow: /upload\nDisallow: /media\nDisallow: /files\n"


def site(
    users: Users, uploads: Uploads, videos: Videos, playback: Playback, transcoding: Transcoding | None, call: Call,
    ids: Ids, settings: SiteSettings,
) -> ASGIApp:
    """The pages."""
    cinema = Cinema(users, uploads, videos, playback, transcoding, call, ids, settings)
    environment()
    server = Server(cinema)
    return Starlette(
        routes=[*looks(server), *changes(server), *fixed()],
        middleware=[Middleware(Headers), Middleware(GZipMiddleware, minimum_size=1000)],
        exception_handlers={404: server.refused, 405: server.refused, 400: server.refused, 413: server.refused,
                            500: server.broke},
    )


def looks(server: Server) -> list[Route]:
    """The pages to look at."""
    cinema = server.cinema
    watching, owning, account = Watching(cinema), Owning(cinema), AccountPages(cinema)
    pages: dict[str, Handler] = {
        "/": Library(cinema).home, "/watch/{video}": watching.look, "/watch/{video}/ticket": watching.ticket,
        "/upload": owning.upload, "/yours": owning.list, "/yours/{video}": owning.look,
        "/yours/{video}/state": owning.state, "/login": account.ask, "/register": account.ask_new,
    }
    return [Route(path, server.look(handler), methods=["GET"]) for path, handler in pages.items()]


def changes(server: Server) -> list[Route]:
    """The forms, and what scripts send."""
    cinema = server.cinema
    watching, owning, account = Watching(cinema), Owning(cinema), AccountPages(cinema)
    forms: dict[str, Handler] = {
        "/watch/{video}/beat": watching.beat, "/watch/{video}/like": watching.like, "/yours/{video}": owning.describe,
        "/yours/{video}/delete": owning.delete, "/upload/{upload}/abort": owning.abort, "/login": account.sign_in,
        "/register": account.register, "/logout": account.sign_out, "/session": account.renew,
    }
    return [Route(path, server.change(handler), methods=["POST"]) for path, handler in forms.items()]


def fixed() -> list[Route]:
    """What is the same for everybody."""

    async def robots(request: Request) -> Response:
        return PlainTextResponse(ROBOTS)

    async def icon(request: Request) -> Response:
        request.path_params["name"] = "icon.svg"
        return await statics.serve(request)

    return [
        Route("/static/{name:path}", statics.serve, methods=["GET"]), Route("/robots.txt", robots, methods=["GET"]),
        Route("/favicon.ico", icon, methods=["GET"]),
    ]


class Headers:
    """Adds to every response what browsers are to be told."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its response back."""

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self.app(scope, receive, told)

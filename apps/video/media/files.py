"""The ASGI application that serves what is watched: it needs nothing but the blobs, and the key addresses are signed
with, so that it goes on when everything else is down."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from email.utils import format_datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from apps.video.playback.addresses import folder_of
from craton import Blobs, Clock, NotAuthenticated, Tokens
from craton.blobs import Blob

KINDS = {
    "m3u8": "application/vnd.apple.mpegurl", "m4s": "video/iso.segment", "mp4": "video/mp4", "jpg": "image/jpeg",
    "vtt": "text/vtt; charset=utf-8", "png": "image/png", "webp": "image/webp",
}
"""By the ends of names; nothing else is served."""
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
COMMON = {
    "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'",
}


def files(blobs: Blobs, tokens: Tokens, clock: Clock) -> ASGIApp:
    """The files."""
    served = Files(blobs, tokens, clock)
    return Starlette(routes=[Route("/{signed}/{name:path}", served.serve, methods=["GET"])])


class Files:
    """Serves files under addresses that say until when."""

    def __init__(self, blobs: Blobs, tokens: Tokens, clock: Clock) -> None:
        self.blobs, self.tokens, self.clock = blobs, tokens, clock

    async def serve(self, request: Request) -> Response:
        """One file, or a part of it."""
        try:
            text, until = self.tokens.signed(request.path_params["signed"])
        except NotAuthenticated as error:
            return refusal(403, str(error))
        folder, name = folder_of(text), request.path_params["name"]
        kind = KINDS.get(name.rpartition(".")[2])
        if folder is None or kind is None:
            return refusal(404, "there is no such file.")
        try:
            blob = await self.blobs.head(f"{folder}/{name}")
        except (FileNotFoundError, ValueError):
            return refusal(404, "there is no such file.")
        return self.answer(request, blob, {**COMMON, **self.about(blob, until), "Content-Type": kind})

    def about(self, blob: Blob, until: datetime) -> dict[str, str]:
        """What caches are told: a file never changes, and is nobody's any more when its address has expired."""
        left = max(0, int((until - self.clock.now()).total_seconds()))
        return {
            "ETag": f'"{blob.tag}"', "Last-Modified": format_datetime(blob.modified, usegmt=True),
            "Cache-Control": f"private, max-age={left}, immutable",
        }

    def answer(self, request: Request, blob: Blob, headers: dict[str, str]) -> Response:
        """The response, as far as the client does not have it."""
        tag, asked = headers["ETag"], request.headers
        if tag in asked.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        start, end, status = 0, blob.size, 200
        if "range" in asked and asked.get("if-range", tag) in (tag, headers["Last-Modified"]):
            found = range_of(asked["range"], blob.size)
            if found is not None and not found:
                return refusal(416, "the file has no such bytes.", {"Content-Range": f"bytes */{blob.size}"})
            if found is not None:
                (start, end), status = found, 206
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
        headers["Content-Length"] = str(end - start)
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        return StreamingResponse(self.pieces(blob, start, end), status, headers)

    async def pieces(self, blob: Blob, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of a file from `start` to before `end`."""
        async for piece in self.blobs.stream(blob.path, start=start, end=end):
            yield piece


def range_of(asked: str, size: int) -> tuple[int, int] | tuple[()] | None:
    """The bytes that a Range header asks for (RFC 9110, section 14): from, to before; () where the file has none of
    them, None where all of it is to be sent, as for several ranges at once."""
    found = RANGE.fullmatch(asked.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return (max(0, size - int(found[2])), size) if int(found[2]) and size else ()
    start = int(found[1])
    end = min(int(found[2]), size - 1) + 1 if found[2] else size
    if found[2] and int(found[2]) < start:
        return None
    return (start, end) if start < size else ()


def refusal(status: int, why: str, more: dict[str, str] | None = None) -> Response:
    """Why there is nothing."""
    return Response(why, status, {**COMMON, "Cache-Control": "no-store", **(more or {})}, "text/plain")

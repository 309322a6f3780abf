"""The ASGI application that takes bytes: tus 1.0.0, with creation (also with bytes), checksum, expiration, termination.

Protocol: https://tus.io/protocols/resumable-upload. The bytes of each request become blobs, a few MiB each, as they
come; which of them count is decided by `Uploads.append`, so that of two requests for the same place one alone does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from email.utils import format_datetime

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from apps.video.cookies import SESSION
from apps.video.uploads.arriving import Arriving, WrongKind
from apps.video.uploads.checksums import ALGORITHMS, Checksum, Mismatch
from apps.video.uploads.contract import OffsetConflict, TooLarge, Upload, UploadGone, UploadNotFound, Uploads
from apps.video.uploads.headers import BadHeader, asked_for, metadata_of, number
from apps.video.uploads.settings import TusSettings
from craton import Blobs, Call, CallError, Fault, Ids, InvalidArguments, NotAllowed, NotAuthenticated

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
BYTES = "application/offset+octet-stream"
Handler = Callable[[Request], Awaitable[Response]]


def tus(uploads: Uploads, blobs: Blobs, call: Call, ids: Ids, settings: TusSettings) -> ASGIApp:
    """The application."""
    desk = Tus(uploads, blobs, call, ids, settings)
    return Starlette(routes=[
        Route("/", desk.served({"POST": desk.create, "OPTIONS": desk.options}), methods=["POST", "OPTIONS"]),
        Route("/{upload}", desk.served({
            "HEAD": desk.look, "PATCH": desk.patch, "DELETE": desk.delete, "OPTIONS": desk.options,
        }), methods=["HEAD", "PATCH", "DELETE", "OPTIONS", "POST"]),
    ])


class Tus:
    """Answers tus clients, who show a bearer token, or the cookie of the pages."""

    def __init__(self, uploads: Uploads, blobs: Blobs, call: Call, ids: Ids, settings: TusSettings) -> None:
        self.uploads, self.blobs, self.call, self.ids, self.settings = uploads, blobs, call, ids, settings

    def served(self, handlers: Mapping[str, Handler]) -> Handler:
        """An endpoint for several verbs, with what the protocol asks of every request and answer."""

        async def endpoint(request: Request) -> Response:
            verb = request.headers.get("x-http-method-override", request.method).upper()
            if verb not in handlers:
                return self.problem(405, "this is asked for by another verb.", {"Allow": ", ".join(handlers)})
            if verb != "OPTIONS" and request.headers.get("tus-resumable") != VERSION:
                return self.problem(412, f"send Tus-Resumable: {VERSION}.", {"Tus-Version": VERSION})
            try:
                with self.acting(request):
                    answer = await handlers[verb](request)
            except (Fault, CallError, BadHeader, Mismatch, WrongKind) as error:
                return self.refused(error)
            answer.headers["Tus-Resumable"] = VERSION
            return answer

        return endpoint

    def acting(self, request: Request) -> AbstractContextManager[object]:
        """As whom modules are asked: whoever the bearer token names already, else whoever has the cookie. Cookies come
        with requests of the application's own pages alone: they are `SameSite=Lax`, and no form sends a PATCH."""
        cookie = request.cookies.get(SESSION)
        return nullcontext() if self.call.caller.subject or not cookie else self.call.acting(cookie)

    # ------------------------------------------------------------------ requests

    async def options(self, request: Request) -> Response:
        """What can be asked for here."""
        return Response(status_code=204, headers={
            "Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        })

    async def create(self, request: Request) -> Response:
        """Begin an upload, perhaps with its first bytes."""
        asked = asked_for(metadata_of(request.headers.get("upload-metadata", "")))
        if "upload-length" not in request.headers:
            raise BadHeader("send Upload-Length: how long a file is must be known from the beginning.")
        if not (length := number(request.headers, "upload-length")):
            raise BadHeader("this file is empty: there is nothing to be seen in it.")
        if not self.call.caller.subject:
            raise NotAuthenticated("sign in to upload: send Authorization: Bearer ...")
        upload = await self.uploads.create(size=length, **asked)
        headers = {"Location": f"{request.scope.get('root_path', '')}/{upload.id}"}
        if request.headers.get("content-type") == BYTES:
            upload = await self.take(request, upload, 0)
            headers["Upload-Offset"] = str(upload.offset)
        return Response(status_code=201, headers={**headers, **expiry(upload)})

    async def look(self, request: Request) -> Response:
        """How much of an upload is there."""
        upload = still(await self.uploads.upload(request.path_params["upload"]))
        headers = {"Upload-Offset": str(upload.offset), "Upload-Length": str(upload.size), "Cache-Control": "no-store"}
        return Response(status_code=200, headers={**headers, **expiry(upload)})

    async def patch(self, request: Request) -> Response:
        """Take more bytes."""
        if request.headers.get("content-type") != BYTES:
            return self.problem(415, f"send bytes as Content-Type: {BYTES}.")
        if "upload-offset" not in request.headers:
            raise BadHeader("send Upload-Offset: where these bytes belong.")
        offset = number(request.headers, "upload-offset")
        upload = still(await self.uploads.upload(request.path_params["upload"]))
        if offset != upload.offset:
            raise OffsetConflict(upload.id, upload.offset)
        upload = await self.take(request, upload, offset)
        return Response(status_code=204, headers={"Upload-Offset": str(upload.offset), **expiry(upload)})

    async def delete(self, request: Request) -> Response:
        """Give an upload up."""
        await self.uploads.abort(request.path_params["upload"])
        return Response(status_code=204)

    async def take(self, request: Request, upload: Upload, offset: int) -> Upload:
        """The bytes of a request, recorded. TooLarge before any is read where they are too many."""
        if offset + number(request.headers, "content-length", 0) > upload.size:
            raise TooLarge(upload.size)
        checksum = Checksum.asked(request.headers.get("upload-checksum"))
        arriving = Arriving(self.uploads, self.blobs, self.ids, upload, offset, checksum, self.settings.part)
        try:
            async for piece in request.stream():
                await arriving.take(piece)
        except ClientDisconnect:  # what has come is kept, for when it goes on; nobody hears the answer
            if checksum is None:
                await arriving.end()
            else:
                await arriving.discard()
            raise
        except BaseException:
            await arriving.discard()
            raise
        return await arriving.end()

    # ------------------------------------------------------------------ what is in the way

    def refused(self, error: Exception) -> Response:
        """The answer to what cannot be done."""
        headers: dict[str, str] = {}
        if isinstance(error, OffsetConflict):
            headers["Upload-Offset"] = str(error.offset)
        if isinstance(error, NotAuthenticated):
            headers["WWW-Authenticate"] = "Bearer"
        status = error.status if isinstance(error, Fault) else status_of(error)
        if status == 503:
            headers["Retry-After"] = "1"
        return self.problem(status, why(error), headers)

    def problem(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
        """A problem (RFC 9457)."""
        told = {"Tus-Resumable": VERSION, "Cache-Control": "no-store", **(headers or {})}
        body = {"type": "about:blank", "status": status, "detail": detail}
        return JSONResponse(body, status, told, "application/problem+json")


def still(upload: Upload) -> Upload:
    """An upload that goes on, or is whole. UploadGone for any other."""
    if upload.state not in ("open", "joining", "done"):
        raise UploadGone(upload.id)
    return upload


def expiry(upload: Upload) -> dict[str, str]:
    """Until when an upload waits for its next bytes."""
    return {"Upload-Expires": format_datetime(upload.expires, usegmt=True)} if upload.offset < upload.size else {}


STATUSES: dict[type[Exception], int] = {
    BadHeader: 400, Mismatch: 460, WrongKind: 415, NotAuthenticated: 401, NotAllowed: 403,
    InvalidArguments: 400,
}


def status_of(error: Exception) -> int:
    """The status for what is no fault of a contract; 460 is tus's own for a checksum that differs."""
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 503)


def why(error: Exception) -> str:
    """The same in words."""
    if isinstance(error, UploadNotFound):
        return "there is no such upload of yours."
    if isinstance(error, OffsetConflict):
        return f"these bytes do not follow those that have come: go on at {error.offset}."
    return str(error)

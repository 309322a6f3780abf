"""From a request to a page: who sent it, what was typed, and what to show where something is in the way."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from apps.video.site.cinema import Cinema
from apps.video.site.rendering import page
from apps.video.site.sessions import is_good, recognize
from apps.video.site.visit import Visit, visit_of
from craton import CallError, Failed, Fault, InvalidArguments, NotAllowed, NotAuthenticated

Handler = Callable[[Visit], Awaitable[Response]]
LARGEST = 64 * 1024
"""Bytes that a form may have."""
SOON = "5"
"""Seconds after which it is worth to come back, where a service is down."""
log = logging.getLogger("apps.video.site")


class Server:
    """Makes endpoints of handlers."""

    def __init__(self, cinema: Cinema) -> None:
        self.cinema = cinema

    def look(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that shows a page."""

        async def endpoint(request: Request) -> Response:
            return await self.answer(visit_of(request, self.cinema.settings.name), handler)

        return endpoint

    def change(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that takes a form, of the site's own pages alone."""

        async def endpoint(request: Request) -> Response:
            if is_foreign(request):
                return await self.refused(request, HTTPException(403, "This form was sent from another site."))
            visit = visit_of(request, self.cinema.settings.name, await form_of(request))
            return await self.answer(visit, handler)

        return endpoint

    async def answer(self, visit: Visit, handler: Handler) -> Response:
        """What a handler answers, or why it cannot."""
        await recognize(self.cinema, visit)
        with self.cinema.call.acting(visit.token):
            try:
                if "\0" in visit.request.scope["path"]:  # which not every database can look for
                    raise HTTPException(404)
                async with self.cinema.call.within(self.cinema.settings.limit):
                    response = await handler(visit)
            except NotAuthenticated:
                response = go("/login", back=visit.place if visit.request.method == "GET" else "/yours")
            except (Fault, CallError, HTTPException) as error:
                response = await self.sorry(visit, error)
        return visit.bake(response)

    async def refused(self, request: Request, error: Exception) -> Response:
        """The page for a request that no handler took."""
        visit = visit_of(request, self.cinema.settings.name)
        visit.token = visit.token if is_good(self.cinema, visit) else None
        return await self.sorry(visit, error)

    async def sorry(self, visit: Visit, error: Exception) -> Response:
        """The page that says what is in the way."""
        status, why = reason(error)
        if status >= 500:
            log.log(logging.ERROR if status == 500 else logging.WARNING, "%s: %s", visit.request.url.path, error)
        shown = page("error.html", visit, status=status, code=status, why=why)
        if status == 503:
            shown.headers["Retry-After"] = SOON
        return shown

    async def broke(self, request: Request, error: Exception) -> Response:
        """The page for a bug."""
        visit = visit_of(request, self.cinema.settings.name)
        return page("error.html", visit, status=500, code=500, why=WHY[500])


WHY = {
    403: "You may not see this page.", 404: "There is nothing at this address, or nothing that you may see.",
    409: "This has changed meanwhile. Please look at it again.", 500: "Something broke on our side. It has been noted.",
    503: "A part of the site does not answer at the moment. Nothing is lost: please try again in a few seconds.",
}


def reason(error: Exception) -> tuple[int, str]:
    """A status and a text for an error."""
    if isinstance(error, HTTPException):
        return error.status_code, error.detail if error.status_code == 403 else WHY.get(error.status_code, error.detail)
    if isinstance(error, Fault):
        return (404, WHY[404]) if error.status == 404 else (409, WHY[409])
    if isinstance(error, NotAllowed):
        return 403, WHY[403]
    if isinstance(error, InvalidArguments):
        return 404, WHY[404]
    return (500, WHY[500]) if isinstance(error, Failed) else (503, WHY[503])


def is_foreign(request: Request) -> bool:
    """Whether another site's page sent this, as browsers say of every form that they send; other programs say nothing,
    and hold no cookies that anybody could misuse."""
    said = request.headers.get("sec-fetch-site")
    if said is not None:
        return said not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


async def form_of(request: Request) -> Mapping[str, str]:
    """What was typed: of fields with one name, the last one."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise HTTPException(413, "This form is too large.")
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise HTTPException(400, "This form cannot be read.") from error
    return {name: text.replace("\0", "").strip() for name, text in fields}


def go(path: str, **query: str) -> Response:
    """Send the browser on to another page: after a form, so that a reload does not send it again."""
    more = ("&" if "?" in path else "?") + urlencode(query) if query else ""
    return RedirectResponse(path + more, 303, {"Cache-Control": "no-store"})


def new_key(cinema: Cinema) -> str:
    """A key for a form, which is good for one thing, however often the form is sent."""
    return cinema.ids.new("form")


@contextmanager
def once(cinema: Cinema, visit: Visit) -> Iterator[None]:
    """What is asked for in this block is done once for the form that was sent, by whoever the visitor is by now."""
    key = visit.form.get("key", "")
    with cinema.call.acting(visit.token), cinema.call.keyed(key if 0 < len(key) <= 100 else new_key(cinema)):
        yield

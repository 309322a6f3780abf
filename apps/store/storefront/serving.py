"""From a request to a page: who sent it, what was typed, and what to show where something is in the way."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route

from apps.store.storefront.rendering import page
from apps.store.storefront.sessions import is_good, recognize
from apps.store.storefront.shop import Frame, Shop
from apps.store.storefront.visit import Visit, visit_of
from craton import CallError, Failed, Fault, InvalidArguments, NotAllowed, NotAuthenticated

Handler = Callable[[Visit], Awaitable[Response]]
LARGEST = 64 * 1024
"""Bytes that a form may have."""
SOON = "5"
"""Seconds after which it is worth to come back, where a service is down."""
SECRETS = {"password", "credit_card_number", "credit_card_cvv"}
"""What is never written into a page."""
log = logging.getLogger("apps.store.storefront")


class Server:
    """Makes endpoints of handlers."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def look(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that shows a page."""

        async def endpoint(request: Request) -> Response:
            return await self.answer(visit_of(request, self.shop.settings), handler)

        return endpoint

    def change(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that takes a form, of the shop's own pages alone."""

        async def endpoint(request: Request) -> Response:
            if is_foreign(request):
                return await self.refused(request, HTTPException(403, "This form was sent from another site."))
            visit = visit_of(request, self.shop.settings, await form_of(request))
            return await self.answer(visit, handler)

        return endpoint

    async def answer(self, visit: Visit, handler: Handler) -> Response:
        """What a handler answers, or why it cannot."""
        await recognize(self.shop, visit)
        with self.shop.call.acting(visit.token):
            try:
                if "\0" in visit.request.scope["path"]:  # which not every database can look for
                    raise HTTPException(404)
                async with self.shop.call.within(self.shop.settings.limit):
                    response = await handler(visit)
            except NotAuthenticated:
                response = go("/login", back=visit.place if visit.request.method == "GET" else "/account")
            except (Fault, CallError, HTTPException) as error:
                response = await self.sorry(visit, error)
        return visit.bake(response)

    async def refused(self, request: Request, error: Exception) -> Response:
        """The page for a request that no handler took."""
        visit = visit_of(request, self.shop.settings)
        visit.token = visit.token if is_good(self.shop, visit) else None
        with self.shop.call.acting(visit.token):
            shown = await self.sorry(visit, error)
        if shown.status_code == 405:
            shown.headers["Allow"] = ", ".join(sorted(verbs_at(request)))
        return shown

    async def sorry(self, visit: Visit, error: Exception) -> Response:
        """The page that says what is in the way."""
        status, why = reason(error)
        if status >= 500:
            log.log(logging.ERROR if status == 500 else logging.WARNING, "%s: %s", visit.request.url.path, error)
        frame = await self.shop.frame()
        again = [(name, text) for name, text in visit.form.items() if name not in SECRETS]
        resend = bool(again) and status == 503 and len(again) == len(visit.form)
        shown = page("error.html", visit, status=status, frame=frame, code=status, why=why, again=resend and again)
        if status == 503:
            shown.headers["Retry-After"] = SOON
        return shown

    async def broke(self, request: Request, error: Exception) -> Response:
        """The page for a bug: nothing is asked for it, since nobody knows what is broken."""
        visit = visit_of(request, self.shop.settings)
        return page("error.html", visit, status=500, frame=Frame(None, None), code=500, why=WHY[500], again=False)


WHY = {
    403: "You may not see this page.",
    404: "There is nothing at this address: it may have moved, or be sold out for good.",
    409: "This has changed meanwhile. Please look at it again.", 500: "Something broke on our side. It has been noted.",
    503: "A part of the shop does not answer at the moment. Nothing is lost: please try again in a few seconds.",
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


def verbs_at(request: Request) -> set[str]:
    """What the address of a request takes: several routes may stand there."""
    routes = (route for route in request.app.routes if isinstance(route, Route))
    return {verb for route in routes if route.matches(request.scope)[0] != Match.NONE for verb in route.methods or ()}


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
    """Send the browser on to another page of the shop: after a form, so that a reload does not send it again."""
    more = ("&" if "?" in path else "?") + urlencode(query) if query else ""
    return RedirectResponse(path + more, 303, {"Cache-Control": "no-store"})


def new_key(shop: Shop) -> str:
    """A key for a form, which is good for one thing, however often the form is sent."""
    return shop.ids.new("form")


@contextmanager
def once(shop: Shop, visit: Visit) -> Iterator[None]:
    """What is asked for in this block is done once for the form that was sent, by whoever the visitor is by now."""
    key = visit.form.get("key", "")
    with shop.call.acting(visit.token), shop.call.keyed(key if 0 < len(key) <= 100 else new_key(shop)):
        yield

"""The pages as a FastAPI application, with what stands around them."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.store.storefront import statics
from bench.baselines.faults import Fault, Unavailable, told
from bench.baselines.pages import Pages
from bench.baselines.rendering import environment
from bench.baselines.shop import Shop

HEADERS = [(name.encode(), text.encode()) for name, text in {
    "content-security-policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
}.items()]
Opened = Callable[[FastAPI], AbstractAsyncContextManager[Shop]]
"""Opens the shop that the pages ask, and closes it."""


class Headers:
    """Adds to every response what browsers are to be told."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its response back."""

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self.app(scope, receive, adding)


def site(opened: Opened) -> FastAPI:
    """The pages of a shop."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(app) as shop:
            routes(app, Pages(shop))
            environment()
            gc.freeze()  # as `craton serve` does
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.add_exception_handler(Fault, sorry)
    app.add_exception_handler(Unavailable, sorry)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_middleware(Headers)
    app.add_api_route("/healthz", healthy)
    return app


def routes(app: FastAPI, pages: Pages) -> None:
    """Every page with its address, the most frequent ones first."""
    looks: dict[str, Callable[..., Any]] = {
        "/product/{sku}": pages.product, "/cart": pages.cart, "/": pages.home, "/checkout": pages.checkout,
        "/order/{order}": pages.order,
        "/static/{name:path}": statics.serve,
    }
    forms = {"/cart": pages.add, "/setCurrency": pages.currency, "/cart/checkout": pages.buy}
    for path, handler in looks.items():
        app.add_api_route(path, handler, methods=["GET"], response_model=None)
    for path, handler in forms.items():
        app.add_api_route(path, handler, methods=["POST"], response_model=None)
    app.state.pages = pages


async def sorry(request: Request, error: Exception) -> Response:
    """The page that says what is in the way."""
    pages: Pages = request.app.state.pages
    return await pages.sorry(request, error)


def service(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """A service that answers in JSON."""

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app):
            gc.freeze()
            yield

    app = FastAPI(lifespan=living)
    app.add_exception_handler(Fault, told)
    app.add_exception_handler(Unavailable, away)
    app.add_api_route("/healthz", healthy)
    return app


async def healthy() -> Response:
    """It is there."""
    return Response()


async def away(request: Request, error: Exception) -> Response:
    """What a service says where another one does not answer."""
    return Response(str(error), 503)

"""The same two requests in FastAPI, Litestar, and Starlette with msgspec, all on uvicorn (uvloop, httptools).

Tuned: products made once; each decodes and encodes as its documentation recommends; no middleware, no access log.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import msgspec
import pydantic
import uvicorn

from bench.peers.catalog import shelf
from bench.shop.contracts import Priced, Product, Quote, Wanted

UVICORN = f"on uvicorn {version('uvicorn')} (uvloop, httptools)"
SETTINGS = {
    "FastAPI": f"FastAPI {version('fastapi')} {UVICORN}",
    "Litestar": f"Litestar {version('litestar')} (msgspec structs) {UVICORN}",
    "Starlette": f"Starlette {version('starlette')} + msgspec {version('msgspec')} {UVICORN}",
}
GOALS = {"FastAPI": 3.0, "Litestar": 1.0, "Starlette": 1.0}


class Basket(msgspec.Struct):
    """What is asked."""

    lines: tuple[Wanted, ...]


PRODUCTS: dict[str, Product] = shelf(Product)


def quote_of(lines: tuple[Wanted, ...]) -> Quote:
    """What a basket costs."""
    priced = tuple(
        Priced(w.sku, w.quantity, price := PRODUCTS[w.sku].price, w.quantity * price) for w in lines
    )
    return Quote(priced, sum(line.total for line in priced), "USD")


class ProductModel(pydantic.BaseModel):
    """A product, for pydantic."""

    sku: str
    name: str
    price: int
    currency: str
    stock: int
    tags: list[str]
    active: bool
    updated_at: str


class WantedModel(pydantic.BaseModel):
    """So many of a product."""

    sku: str
    quantity: int


class BasketModel(pydantic.BaseModel):
    """What is asked."""

    lines: list[WantedModel]


class PricedModel(pydantic.BaseModel):
    """The same, with what it costs."""

    sku: str
    quantity: int
    price: int
    total: int


class QuoteModel(pydantic.BaseModel):
    """What a basket costs."""

    lines: list[PricedModel]
    total: int
    currency: str


def fastapi() -> Any:
    """FastAPI."""
    from fastapi import FastAPI

    found: dict[str, ProductModel] = shelf(ProductModel)
    app = FastAPI()

    @app.get("/products/{sku}")
    async def product(sku: str) -> ProductModel:
        return found[sku]

    @app.post("/quotes")
    async def quote(basket: BasketModel) -> QuoteModel:
        lines = [
            PricedModel(sku=w.sku, quantity=w.quantity, price=(price := found[w.sku].price), total=price * w.quantity)
            for w in basket.lines
        ]
        return QuoteModel(lines=lines, total=sum(line.total for line in lines), currency="USD")

    return app


def litestar() -> Any:
    """Litestar."""
    from litestar import Litestar, get, post

    @get("/products/{sku:str}")
    async def product(sku: str) -> Product:
        return PRODUCTS[sku]

    @post("/quotes", status_code=200)
    async def quote(data: Basket) -> Quote:
        return quote_of(data.lines)

    return Litestar([product, quote], openapi_config=None, logging_config=None)


def starlette() -> Any:
    """Starlette, with msgspec by hand."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    encoder, decoder = msgspec.json.Encoder(), msgspec.json.Decoder(Basket)

    async def product(request: Request) -> Response:
        return Response(encoder.encode(PRODUCTS[request.path_params["sku"]]), media_type="application/json")

    async def quote(request: Request) -> Response:
        basket = decoder.decode(await request.body())
        return Response(encoder.encode(quote_of(basket.lines)), media_type="application/json")

    return Starlette(routes=[Route("/products/{sku}", product), Route("/quotes", quote, methods=["POST"])])


APPS: dict[str, Callable[[], Any]] = {"FastAPI": fastapi, "Litestar": litestar, "Starlette": starlette}

if __name__ == "__main__":
    gc.freeze()  # as the other side does
    uvicorn.run(
        APPS[sys.argv[1]](), port=int(sys.argv[2].rpartition(":")[2]), loop="uvloop", http="httptools",
        access_log=False, log_level="warning", lifespan="off", timeout_keep_alive=75,
    )

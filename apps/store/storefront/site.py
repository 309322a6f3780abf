"""The storefront as an ASGI application: every page with its address."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.store.carts.contract import Carts
from apps.store.catalog.contract import Catalog
from apps.store.inventory.contract import Inventory
from apps.store.orders.contract import Orders
from apps.store.recommendations.contract import Recommendations
from apps.store.shipping.contract import Shipping
from apps.store.storefront import statics
from apps.store.storefront.account import AccountPages
from apps.store.storefront.admin.desk import OrderPages
from apps.store.storefront.admin.goods import Goods
from apps.store.storefront.admin.pages import guarded
from apps.store.storefront.admin.sagas import SagaPages
from apps.store.storefront.browsing import Browsing
from apps.store.storefront.buying import Buying
from apps.store.storefront.cart import CartPages
from apps.store.storefront.following import Following
from apps.store.storefront.rendering import environment
from apps.store.storefront.serving import Handler, Server
from apps.store.storefront.settings import StorefrontSettings
from apps.store.storefront.shop import Shop
from apps.store.users.contract import Users
from craton import Call, Clock, Door, Ids, Operator, Tokens

HEADERS = [(name.encode(), text.encode()) for name, text in {
    "content-security-policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
}.items()]
"""What browsers are told to allow these pages: nothing that is not the shop's own."""
ROBOTS = (
    "User-agent: *\nDisallow: /cart\nDisallow: /checkout\nDisallow: /account\nDisallow: /order/\n"
    "Disallow: /manage\n"
)


def site(
    catalog: Catalog, inventory: Inventory, carts: Carts, orders: Orders, shipping: Shipping, users: Users,
    recommendations: Recommendations | None, call: Call, clock: Clock, ids: Ids, door: Door,
    operator: Operator, tokens: Tokens, settings: StorefrontSettings,
) -> ASGIApp:
    """The storefront."""
    shop = Shop(catalog, inventory, carts, orders, shipping, users, recommendations, call, ids, tokens, settings)
    environment()
    server = Server(shop)
    return Starlette(
        routes=[*looks(server, clock, door), *changes(server, clock, door), *managing(server, operator), *fixed()],
        middleware=[Middleware(Headers), Middleware(GZipMiddleware, minimum_size=1000)],
        exception_handlers={404: server.refused, 405: server.refused, 400: server.refused, 413: server.refused,
                            500: server.broke},
    )


def looks(server: Server, clock: Clock, door: Door) -> list[Route]:
    """The pages to look at."""
    shop = server.shop
    browsing, following, account = Browsing(shop), Following(shop, door), AccountPages(shop)
    pages: dict[str, Handler] = {
        "/": browsing.home, "/category/{name}": browsing.category, "/search": browsing.search,
        "/product/{sku}": browsing.product,
        "/cart": CartPages(shop, browsing).look, "/checkout": Buying(shop, clock).ask,
        "/checkout/return": following.back, "/checkout/{saga}": following.checkout, "/order/{order}": following.order,
        "/order/{order}/state": following.state, "/account": following.history, "/login": account.ask,
        "/register": account.ask_new, "/logout": account.sign_out,
    }
    return [Route(path, server.look(handler), methods=["GET"]) for path, handler in pages.items()]


def changes(server: Server, clock: Clock, door: Door) -> list[Route]:
    """The forms."""
    shop = server.shop
    cart, buying = CartPages(shop, Browsing(shop)), Buying(shop, clock)
    following, account = Following(shop, door), AccountPages(shop)
    forms: dict[str, Handler] = {
        "/cart": cart.add, "/cart/quantity": cart.change, "/cart/empty": cart.empty, "/cart/agree": cart.refresh,
        "/checkout": buying.ask_again, "/cart/checkout": buying.place, "/order/{order}/resume": following.resume,
        "/order/{order}/cancel": following.cancel, "/login": account.sign_in, "/register": account.register,
        "/logout": account.sign_out, "/setCurrency": account.currency,
    }
    return [Route(path, server.change(handler), methods=["POST"]) for path, handler in forms.items()]


def managing(server: Server, operator: Operator) -> list[Route]:
    """The pages for administrators. (Under /admin stands what is theirs of the API.)"""
    goods, orders, sagas = Goods(server.shop), OrderPages(server.shop), SagaPages(server.shop, operator)
    pages: dict[str, Handler] = {
        "": orders.home, "/products": goods.list, "/products/new": goods.ask, "/products/{sku}": goods.look,
        "/stock": goods.levels, "/orders": orders.list, "/orders/{order}": orders.look, "/shipments": orders.shipments,
        "/sagas": sagas.list, "/sagas/{saga}": sagas.look,
    }
    forms: dict[str, Handler] = {
        "/products/new": goods.create, "/products/{sku}": goods.describe, "/products/{sku}/price": goods.reprice,
        "/products/{sku}/discontinue": goods.discontinue, "/products/{sku}/restock": goods.restock,
        "/products/{sku}/count": goods.adjust, "/orders/{order}/ship": orders.ship,
        "/orders/{order}/cancel": orders.cancel, "/orders/{order}/refund": orders.refund,
        "/sagas/{saga}/retry": sagas.retry,
    }
    looks = [Route(f"/manage{path}", server.look(guarded(page)), methods=["GET"]) for path, page in pages.items()]
    return looks + [Route(f"/manage{path}", server.change(guarded(f)), methods=["POST"]) for path, f in forms.items()]


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

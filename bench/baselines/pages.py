"""The pages of both baselines: to look at, and to buy by."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4

from fastapi import Request
from fastapi.responses import Response

from apps.store.storefront import cards, countries
from apps.store.storefront.currencies import CURRENCIES
from apps.store.storefront.forms import Form
from bench.baselines.faults import Fault, Unavailable
from bench.baselines.parts.carts import MOST
from bench.baselines.parts.orders import goods_of, totals_of
from bench.baselines.rendering import go, page
from bench.baselines.shop import Shop
from bench.baselines.values import Address, Cart, OrderLine, Wanted
from bench.baselines.visit import CURRENCY, LONG, Visit, form_of, visit_of

WHY = {
    404: "There is nothing at this address: it may have moved, or be sold out for good.",
    409: "This has changed meanwhile. Please look at it again.",
    503: "A part of the shop does not answer at the moment. Nothing is lost: please try again in a few seconds.",
}
BEFORE = {"CartNotFound": "expired", "CartExpired": "expired", "PriceChanged": "prices", "InsufficientStock": "stock"}
"""What sends a customer back to the cart, and what is said there."""


class Pages:
    """Handlers of requests, whose answers come from a shop."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    async def home(self, request: Request) -> Response:
        """The front page."""
        visit = visit_of(request)
        front = await self.shop.front(visit.owner)
        return page("home.html", visit, frame=front.frame, new=front.new, popular=front.popular)

    async def product(self, request: Request, sku: str) -> Response:
        """A product's page."""
        return await self.shown(visit_of(request), sku)

    async def shown(self, visit: Visit, sku: str, problem: str = "") -> Response:
        """A product's page; with what is wrong with what was typed there."""
        found = await self.shop.product(visit.owner, sku)
        return page(
            "product.html", visit, status=422 if problem else 200, frame=found.frame, product=found.product,
            stock=found.stock, related=found.related, key=new_key(), problem=problem,
        )

    async def currency(self, request: Request) -> Response:
        """Show prices in another currency."""
        visit = visit_of(request, await form_of(request))
        code = visit.form.get("currency_code", "").upper()
        if code in CURRENCIES:
            visit.cookies[CURRENCY] = (code, LONG)
        came = request.headers.get("referer", "").partition("://")[2]
        host, path, rest = came.partition("/")
        here = path + rest if host == request.headers.get("host") else ""
        return visit.bake(go(local(visit.form.get("back") or here)))

    async def cart(self, request: Request) -> Response:
        """The cart."""
        visit = visit_of(request)
        found = await self.shop.filled(visit.owner)
        changed = bool(found.cart.withdrawn or any(line.price_now for line in found.cart.lines))
        return page(
            "cart.html", visit, frame=found.frame, cart=found.cart, stock=found.stock, suggested=found.suggested,
            key=new_key(), changed=changed, most=MOST,
        )

    async def add(self, request: Request) -> Response:
        """Put a product into the cart."""
        visit = visit_of(request, await form_of(request))
        form, sku = Form(visit.form), visit.form.get("product_id", "")[:64]
        quantity = form.number("quantity", least=1, most=MOST, otherwise=1)
        if form.errors:
            return await self.shown(visit, sku, form.errors["quantity"])
        visit.begin()
        try:
            await self.shop.add(visit.owner, sku, quantity)
        except Fault as fault:
            return visit.bake(await self.not_added(visit, sku, fault))
        return visit.bake(go("/cart", "added"))

    async def not_added(self, visit: Visit, sku: str, fault: Fault) -> Response:
        """Why a product cannot be put into the cart."""
        if fault.code == "CartFrozen":
            return go(f"/order/{fault.about['order']}", "being-bought")
        if fault.code == "QuantityLimit":
            return await self.shown(visit, sku, f"A cart holds at most {MOST} of one product.")
        return await self.shown(visit, sku, "This product cannot be bought at the moment.")

    async def buy(self, request: Request) -> Response:
        """Buy what is in the cart, once for this form."""
        visit = visit_of(request, await form_of(request))
        if visit.token is None:
            return go("/cart")
        form = Form(visit.form)
        wanted = await self.read(form, visit.owner)
        if form.errors:
            return await self.asked(visit, "Please check what is marked below.", form.errors, status=422)
        try:
            order = await self.shop.checkout(wanted)
        except Fault as fault:
            return await self.not_bought(visit, fault)
        return go(f"/order/{order.id}", "thanks" if order.status == "paid" else "")

    async def read(self, form: Form, owner: str) -> Wanted:
        """What was typed. Who sends no cart means the one that they have now."""
        email, country = form.email(), form.country()
        name = form.text("name", missing="Enter a name.") if "name" in form.typed else email.partition("@")[0]
        address = Address(
            name, form.text("street_address", missing="Enter a street and a number."),
            form.text("city", missing="Enter a city."),
            form.text("zip_code", most=20, missing="Enter a postcode."), country, form.text("state", most=100),
        )
        payment = form.card(datetime.now(UTC))
        cart, version = form.typed.get("cart", ""), form.number("version", least=0, most=10**9 - 1, otherwise=0)
        if not cart and not form.errors:
            now = await self.shop.cart(owner)
            cart, version = now.id, now.version
        key = form.typed.get("key", "")
        return Wanted(key if 0 < len(key) <= 100 else new_key(), owner, cart, version, payment, email, address)

    async def not_bought(self, visit: Visit, fault: Fault) -> Response:
        """What to do about a checkout that was not possible."""
        if fault.code == "CartFrozen":
            return go(f"/order/{fault.about['order']}", "being-bought")
        if fault.code == "EmptyCart":
            return go("/cart")
        if fault.code in BEFORE:
            return go("/cart", BEFORE[fault.code])
        if fault.code == "CardDeclined":
            why = cards.why(fault.about.get("code", ""))
            text = f"The card was declined: {why}. Nothing was taken; please try another one."
            return await self.asked(visit, text, {"card": text}, status=402)
        return await self.asked(visit, "The order could not be placed. Nothing was taken; please try again.", {}, 409)

    async def checkout(self, request: Request) -> Response:
        """The checkout's form."""
        return await self.asked(visit_of(request), "", {})

    async def asked(self, visit: Visit, problem: str, errors: dict[str, str], status: int = 200) -> Response:
        """The checkout's form, with what is wrong."""
        cart = await self.shop.cart(visit.owner) if visit.token else None
        if cart is None or not cart.lines:
            return go("/cart")
        country = countries.code_of(visit.form.get("country", "")) or "US"
        frame = await self.shop.frame(visit.owner)
        return page(
            "checkout.html", visit, status=status, frame=frame, quote=await self.quote(cart, country),
            typed=visit.form, country=country, errors=errors, problem=problem, key=new_key(),
            countries=countries.NAMES, choices=cards.CHOICES,
        )

    async def quote(self, cart: Cart, country: str) -> dict[str, object]:
        """What a cart costs when it goes to a country."""
        lines = [OrderLine(one.sku, one.name, one.quantity, one.unit_price) for one in cart.lines]
        sent = await self.shop.shipping(country, goods_of(lines, cart.currency))
        totals = totals_of(lines, cart.currency, sent)
        return {"cart": cart.id, "version": cart.version, "lines": lines, "totals": totals}

    async def order(self, request: Request, order: str) -> Response:
        """One order."""
        visit = visit_of(request)
        found = await self.shop.order(visit.owner, order)
        frame = await self.shop.frame(visit.owner)
        live, final = found.status in ("submitted", "stock_confirmed"), found.status in ("shipped", "cancelled")
        return page(
            "order.html", visit, frame=frame, order=found, key=new_key(), countries=countries.NAMES, live=live,
            final=final,
        )

    async def sorry(self, request: Request, error: Exception) -> Response:
        """The page that says what is in the way."""
        status = (404 if error.status == 404 else 409) if isinstance(error, Fault) else 503
        visit = visit_of(request)
        frame = await self.shop.frame(visit.owner)
        shown = page("error.html", visit, status=status, frame=frame, code=status, why=WHY[status], again=False)
        if isinstance(error, Unavailable):
            shown.headers["Retry-After"] = "5"
        return shown


def new_key() -> str:
    """A key for a form."""
    return f"form-{uuid4().hex}"


def local(path: str) -> str:
    """A place within the shop, and nowhere else."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain and not parts.netloc and not parts.scheme else "/"


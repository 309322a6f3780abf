"""Buying: the checkout's form, and what comes of it."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.responses import Response

from apps.store.carts.contract import Cart, CartChanged, CartClosed, CartExpired, CartFrozen, CartNotFound, EmptyCart
from apps.store.inventory.contract import InsufficientStock
from apps.store.orders.contract import Order, OrderPage, PriceChanged, Quote
from apps.store.orders.events import Address
from apps.store.payments.contract import CardDeclined
from apps.store.storefront import cards, countries
from apps.store.storefront.forms import Form
from apps.store.storefront.rendering import page
from apps.store.storefront.serving import go, new_key, once
from apps.store.storefront.shop import Frame, Shop, count
from apps.store.storefront.visit import Visit
from craton import Clock, Fault, OutcomeUnknown, StillRunning

HOME = "US"
"""The country that most customers are in."""


@dataclass(frozen=True, slots=True)
class Details:
    """What a customer said: who, whereto, and by which card. `cart` and `version` are of the cart that was shown."""

    email: str
    address: Address
    payment: str
    cart: str
    version: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the customer sees the form once more. `key` is the form's, where it may be sent again as it is."""

    text: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    key: str = ""


@dataclass(frozen=True, slots=True)
class Buying:
    """The checkout."""

    shop: Shop
    clock: Clock

    async def ask(self, visit: Visit) -> Response:
        """The form, filled with what is known of the customer."""
        return await self.shown(visit, await self.known(visit) if visit.token else {}, Problem())

    async def ask_again(self, visit: Visit) -> Response:
        """The form with what was typed, for another country."""
        form = Form(visit.form)
        form.country()
        return await self.shown(visit, visit.form, Problem(errors=form.errors))

    async def place(self, visit: Visit) -> Response:
        """Buy what is in the cart, once for this form."""
        if visit.token is None:
            return go("/cart")
        form = Form(visit.form)
        details = await self.read(form)
        if form.errors:
            return await self.shown(visit, visit.form, Problem("Please check what is marked below.", form.errors, 422))
        try:
            with once(self.shop, visit):
                async with self.shop.call.within(self.shop.settings.wait):
                    order = await self.buy(details)
        except StillRunning as running:
            if running.saga:
                return go(f"/checkout/{running.saga}")
            return await self.unsure(visit)
        except OutcomeUnknown:
            return await self.unsure(visit)
        except Fault as fault:
            return await self.failed(visit, fault)
        return go(f"/order/{order.id}", **({"note": "thanks"} if order.status == "paid" else {}))

    async def buy(self, said: Details) -> Order:
        """The order."""
        return await self.shop.orders.checkout(said.cart, said.version, said.payment, said.email, said.address)

    async def read(self, form: Form) -> Details:
        """What was typed. Who sends no cart means the one that they have now."""
        email, country = form.email(), form.country()
        street = form.text("street_address", missing="Enter a street and a number.")
        city = form.text("city", missing="Enter a city.")
        postcode = form.text("zip_code", most=20, missing="Enter a postcode.")
        name = form.text("name", missing="Enter a name.") if "name" in form.typed else email.partition("@")[0]
        state, payment = form.text("state", most=100), self.card(form)
        cart, version = form.typed.get("cart", ""), form.number("version", least=0, most=10**9 - 1, otherwise=0)
        if not cart and not form.errors:
            now = await self.shop.carts.mine()
            cart, version = now.id, now.version
        return Details(email, Address(name, street, city, postcode, country, state), payment, cart, version)

    def card(self, form: Form) -> str:
        """The provider's token for the card."""
        return form.card(self.clock.now(), numbers=self.shop.settings.test_cards)

    async def unsure(self, visit: Visit) -> Response:
        """Nobody knows what came of it: the same form, under the same key, finds out."""
        text = "We have not heard back in time. Press the button again: nothing is ever bought twice."
        return await self.shown(visit, visit.form, Problem(text, status=503, key=visit.form.get("key", "")))

    async def failed(self, visit: Visit, fault: Fault) -> Response:
        """What to do about a checkout that was not possible: nothing was bought, and nothing taken."""
        match fault:
            case CartFrozen() | CartClosed():
                return go(f"/order/{fault.order}", note="being-bought")
            case EmptyCart():
                return go("/cart")
            case CartNotFound() | CartExpired():
                return go("/cart", note="expired")
            case PriceChanged():
                return go("/cart", note="prices")
            case InsufficientStock():
                return go("/cart", note="stock")
            case CardDeclined():
                text = f"The card was declined: {cards.why(fault.code)}. Nothing was taken; please try another one."
                return await self.shown(visit, visit.form, Problem(text, {"card": text}, 402))
            case CartChanged():
                text = "Your cart has changed, maybe in another window. Please look at the order again."
                return await self.shown(visit, visit.form, Problem(text, status=409))
            case _:
                text = "The order could not be placed. Nothing was taken; please try again."
                return await self.shown(visit, visit.form, Problem(text, status=409))

    async def shown(self, visit: Visit, typed: Mapping[str, str], problem: Problem) -> Response:
        """The form."""
        if visit.token is None:
            return go("/cart")
        country = countries.code_of(typed.get("country", "")) or HOME
        try:
            categories, quote, cart = await gather(
                self.shop.soon(self.shop.catalog.categories(), None), self.shop.orders.quote(country),
                self.shop.soon(self.shop.carts.mine(), None),
            )
        except EmptyCart:
            return go("/cart")
        if is_being_bought(cart):
            return go(f"/order/{cart.order}", note="being-bought") if cart else go("/cart")
        frame = Frame(categories, count(cart) if cart else None)
        return self.form(visit, quote, typed, problem, frame=frame, country=country)

    def form(
        self, visit: Visit, quote: Quote, typed: Mapping[str, str], problem: Problem, *, frame: Frame, country: str
    ) -> Response:
        """The form as a page."""
        return page(
            "checkout.html", visit, status=problem.status, frame=frame, quote=quote, typed=typed, country=country,
            errors=problem.errors, problem=problem.text, key=problem.key or new_key(self.shop),
            countries=countries.NAMES, choices=cards.CHOICES if self.shop.settings.test_cards else (),
        )

    async def known(self, visit: Visit) -> dict[str, str]:
        """What the customer said last time, or when they opened their account."""
        last, me = await gather(
            self.shop.soon(self.shop.orders.mine(limit=1), OrderPage((), None)),
            self.shop.soon(self.shop.users.me(), None) if visit.known else nothing(),
        )
        found = {"email": me.email, "name": me.name} if me else {}
        return {**found, **typed_in(last.items[0])} if last.items else found


async def nothing() -> None:
    """What nobody need be asked for."""


def is_being_bought(cart: Cart | None) -> bool:
    """Whether a checkout has the cart in hand."""
    return cart is not None and cart.state == "frozen" and cart.order is not None


def typed_in(order: Order) -> dict[str, str]:
    """What was typed when an order was placed, by field."""
    to = order.address
    return {
        "email": order.email, "name": to.name, "street_address": to.street, "city": to.city, "zip_code": to.postcode,
        "state": to.state, "country": to.country,
    }

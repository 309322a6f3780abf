"""Accounts: opening one, signing in and out, and the currency that prices are shown in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from apps.store.storefront.currencies import CURRENCIES
from apps.store.storefront.forms import Form
from apps.store.storefront.rendering import page
from apps.store.storefront.serving import go, is_foreign, new_key, once
from apps.store.storefront.sessions import end
from apps.store.storefront.shop import Shop
from apps.store.storefront.visit import Visit, local
from apps.store.users.contract import EmailTaken, InvalidCredentials, Session, TooManyTries, WeakPassword
from craton import CallError, Fault, Secret


@dataclass(frozen=True, slots=True)
class AccountPages:
    """Who the visitor is."""

    shop: Shop

    async def ask(self, visit: Visit) -> Response:
        """The form to sign in."""
        return await self.shown(visit, "login.html", {})

    async def ask_new(self, visit: Visit) -> Response:
        """The form to open an account."""
        return await self.shown(visit, "register.html", {})

    async def shown(self, visit: Visit, template: str, errors: Mapping[str, str]) -> Response:
        """A form, with what was typed and what is wrong with it."""
        back = local(visit.form.get("back") or visit.request.query_params.get("back", ""), "/account")
        return page(
            template, visit, status=422 if errors else 200, frame=await self.shop.frame(), errors=errors,
            typed=visit.form, back=back, key=new_key(self.shop),
        )

    async def sign_in(self, visit: Visit) -> Response:
        """Sign in, and take along what is in the guest's cart."""
        form = Form(visit.form)
        email, password = form.email(), visit.form.get("password", "")
        if not password:
            form.wrong("password", "Enter your password.")
        if form.errors:
            return await self.shown(visit, "login.html", form.errors)
        try:
            session = await self.shop.users.login(email, Secret(password))
        except InvalidCredentials:
            wrong = {"password": "E-mail address and password do not belong together."}
            return await self.shown(visit, "login.html", wrong)
        except TooManyTries as tries:
            wrong = {"password": f"There were too many tries. Please wait {tries.retry_after} seconds."}
            return await self.shown(visit, "login.html", wrong)
        return await self.welcome(visit, session)

    async def register(self, visit: Visit) -> Response:
        """Open an account, and sign in."""
        form = Form(visit.form)
        email, name, password = form.email(), form.text("name"), Secret(visit.form.get("password", ""))
        if form.errors:
            return await self.shown(visit, "register.html", form.errors)
        try:
            with once(self.shop, visit):
                await self.shop.users.register(email, password, name)
        except EmailTaken:
            form.wrong("email", "There is an account with this address: sign in instead.")
        except WeakPassword as weak:
            form.wrong("password", f"A password has {weak.shortest} to {weak.longest} characters.")
        if form.errors:
            return await self.shown(visit, "register.html", form.errors)
        return await self.welcome(visit, await self.shop.users.login(email, password))

    async def welcome(self, visit: Visit, session: Session) -> Response:
        """A session of an account; the guest's cart, if there is one, becomes its."""
        guest, note = visit.token if visit.caller.subject.startswith("guest:") else None, "welcome"
        visit.open(session)
        if guest:
            try:
                with once(self.shop, visit):
                    await self.shop.carts.merge(Secret(guest))
            except (Fault, CallError):
                note = "not-merged"
        return go(local(visit.form.get("back", ""), "/account"), note=note)

    async def sign_out(self, visit: Visit) -> Response:
        """End the session; not because another site's page links here."""
        if not is_foreign(visit.request):
            await end(self.shop, visit)
        return go("/")

    async def currency(self, visit: Visit) -> Response:
        """Show prices in another currency, and go back to where that was chosen."""
        code = visit.form.get("currency_code", "").upper()
        if code in CURRENCIES:
            visit.choose(code)
        came = visit.request.headers.get("referer", "").partition("://")[2]
        host, path, rest = came.partition("/")
        here = path + rest if host == visit.request.headers.get("host") else ""
        return go(local(visit.form.get("back") or here))

"""Accounts: opening one, signing in and out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import JSONResponse, Response

from apps.store.users.contract import EmailTaken, InvalidCredentials, TooManyTries, WeakPassword
from apps.video.site.cinema import Cinema
from apps.video.site.rendering import page
from apps.video.site.serving import go, is_foreign, new_key, once
from apps.video.site.sessions import end
from apps.video.site.visit import Visit, local
from craton import Secret

EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,188}")


@dataclass(frozen=True, slots=True)
class AccountPages:
    """Who the visitor is."""

    cinema: Cinema

    async def ask(self, visit: Visit) -> Response:
        """The form to sign in."""
        return self.shown(visit, "login.html", {})

    async def ask_new(self, visit: Visit) -> Response:
        """The form to open an account."""
        return self.shown(visit, "register.html", {})

    def shown(self, visit: Visit, template: str, errors: Mapping[str, str]) -> Response:
        """A form, with what was typed and what is wrong with it."""
        back = local(visit.form.get("back") or visit.request.query_params.get("back", ""), "/yours")
        return page(
            template, visit, status=422 if errors else 200, errors=errors, typed=visit.form, back=back,
            key=new_key(self.cinema),
        )

    async def sign_in(self, visit: Visit) -> Response:
        """Sign in."""
        if wrong := typed_wrong(visit.form):
            return self.shown(visit, "login.html", wrong)
        try:
            visit.open(await self.cinema.users.login(visit.form["email"], Secret(visit.form["password"])))
        except InvalidCredentials:
            wrong = {"password": "E-mail address and password do not belong together."}
        except TooManyTries as tries:
            wrong = {"password": f"There were too many tries. Please wait {tries.retry_after} seconds."}
        if wrong:
            return self.shown(visit, "login.html", wrong)
        return go(local(visit.form.get("back", ""), "/yours"), note="welcome")

    async def register(self, visit: Visit) -> Response:
        """Open an account, and sign in."""
        wrong = typed_wrong(visit.form)
        if not wrong:
            email, password = visit.form["email"], Secret(visit.form["password"])
            try:
                with once(self.cinema, visit):
                    await self.cinema.users.register(email, password, visit.form.get("name", "")[:200])
                visit.open(await self.cinema.users.login(email, password))
            except EmailTaken:
                wrong["email"] = "There is an account with this address: sign in instead."
            except WeakPassword as weak:
                wrong["password"] = f"A password has {weak.shortest} to {weak.longest} characters."
        if wrong:
            return self.shown(visit, "register.html", wrong)
        return go(local(visit.form.get("back", ""), "/yours"), note="welcome")

    async def sign_out(self, visit: Visit) -> Response:
        """End the session; not because another site's page asks for it."""
        if not is_foreign(visit.request):
            await end(self.cinema, visit)
        return go("/")

    async def renew(self, visit: Visit) -> Response:
        """For scripts that go on for long: the session is renewed by asking; whether there is one."""
        return JSONResponse({"known": visit.known}, 200 if visit.known else 401, {"Cache-Control": "no-store"})


def typed_wrong(form: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with address and password before anybody is asked."""
    wrong: dict[str, str] = {}
    if not EMAIL.fullmatch(form.get("email", "")):
        wrong["email"] = "Enter an e-mail address, such as me@example.com."
    if not form.get("password"):
        wrong["password"] = "Enter your password."
    return wrong

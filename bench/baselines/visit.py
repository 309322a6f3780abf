"""A visit: one request of a browser, whose it is, and what its cookies are to say from now on."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote
from uuid import uuid4

import jwt
from fastapi import Request
from fastapi.responses import Response

from apps.store.storefront.currencies import CURRENCIES, Currency

SHOP = "Harbour & Hearth"
SESSION, CURRENCY = "shop_session-id", "shop_currency"
LIFETIME, LONG = 30 * 24 * 3600, 365 * 24 * 3600
SECRET = os.environ.get("SECRET", "a secret of thirty-two bytes or more")
LARGEST = 64 * 1024
"""Bytes that a form may have."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose session it is, as the pages ask for it."""

    subject: str = ""
    roles: tuple[str, ...] = ()


@dataclass(slots=True)
class Visit:
    """One request. All visitors are guests here: nobody signs in."""

    request: Request
    currency: Currency
    caller: Caller
    token: str | None
    form: Mapping[str, str] = field(default_factory=dict)
    cookies: dict[str, tuple[str, int]] = field(default_factory=dict)
    shop: str = SHOP
    known: bool = False

    @property
    def owner(self) -> str:
        """Whose cart it is; "" where nobody has one yet."""
        return self.caller.subject

    @property
    def place(self) -> str:
        """The page that is looked at, to come back to."""
        if self.request.method == "POST":
            return "/"
        query = self.request.url.query
        return quote(self.request.url.path, safe="/") + (f"?{query}" if query else "")

    @property
    def note(self) -> str:
        """What is to be said of what was done just before."""
        return self.request.query_params.get("note", "")

    def begin(self) -> None:
        """A session for who has none."""
        if self.token is None:
            self.caller = Caller(f"guest:{uuid4().hex}")
            claims = {"sub": self.caller.subject, "aud": "store", "exp": int(time.time()) + LIFETIME}
            self.token = jwt.encode(claims, SECRET, algorithm="HS256")
            self.cookies[SESSION] = (self.token, LIFETIME)

    def bake(self, response: Response) -> Response:
        """The response, with the cookies that have changed."""
        secure = self.request.headers.get("x-forwarded-proto") == "https"
        for name, (value, lifetime) in self.cookies.items():
            response.set_cookie(name, value, max_age=lifetime, httponly=True, samesite="lax", secure=secure)
        return response


def visit_of(request: Request, form: Mapping[str, str] | None = None) -> Visit:
    """A visit with what its cookies say."""
    cookies = request.cookies
    caller = caller_of(cookies.get(SESSION))
    currency = CURRENCIES.get(cookies.get(CURRENCY, "")) or CURRENCIES["USD"]
    return Visit(request, currency, caller, cookies.get(SESSION) if caller.subject else None, form or {})


def caller_of(token: str | None) -> Caller:
    """Whose session it is; nobody's where the token is none of ours, or has expired."""
    if token is None:
        return Caller()
    try:
        return Caller(jwt.decode(token, SECRET, algorithms=["HS256"], audience="store")["sub"])
    except jwt.InvalidTokenError:
        return Caller()


async def form_of(request: Request) -> dict[str, str]:
    """What was typed. (FastAPI's Form would go through its own parser, and be slower.)"""
    body = await request.body()
    fields = parse_qsl(body[:LARGEST].decode(), keep_blank_values=True, max_num_fields=100)
    return {name: text.replace("\0", "").strip() for name, text in fields}

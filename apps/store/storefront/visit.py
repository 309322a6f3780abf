"""A visit: one request of a browser, what its cookies say, and what they are to say from now on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from apps.store.storefront.currencies import CURRENCIES, Currency
from apps.store.storefront.settings import StorefrontSettings
from apps.store.users.contract import Session
from craton import Caller

SESSION = "shop_session-id"
CURRENCY = "shop_currency"
"""The names that Online Boutique gives these cookies."""
REFRESH = "shop_refresh"
"""What renews the session of an account, for `MONTH` at most: users decide."""
MONTH = 30 * 24 * 3600
LONG = 365 * 24 * 3600
NOTHING: Mapping[str, str] = {}
NOBODY = Caller("")


@dataclass(slots=True)
class Visit:
    """One request, to the shop with this name. `token` is the store's token of its session, which holds for `caller`,
    and `refresh` what renews it; `form` is what was typed."""

    request: Request
    shop: str
    currency: Currency
    token: str | None = None
    refresh: str | None = None
    caller: Caller = NOBODY
    form: Mapping[str, str] = field(default_factory=dict)
    cookies: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether the visitor has signed in."""
        return "user" in self.caller.roles

    @property
    def place(self) -> str:
        """The page that is looked at, to come back to."""
        if self.request.method == "POST":
            return "/"
        query = self.request.url.query
        return quote(self.request.url.path, safe="/") + (f"?{query}" if query else "")

    @property
    def note(self) -> str:
        """What is to be said of what was done just before: the name of one of a few texts."""
        return self.request.query_params.get("note", "")

    def open(self, session: Session) -> None:
        """Begin a session, or go on with one."""
        self.keep(session.token.reveal(), lifetime=session.lifetime)
        if session.refresh is not None:
            self.refresh = session.refresh.reveal()
            self.cookies[REFRESH] = (self.refresh, MONTH)

    def keep(self, token: str, *, lifetime: int) -> None:
        """Go on under a token, for so many seconds."""
        self.token = token
        self.cookies[SESSION] = (token, lifetime)

    def close(self) -> None:
        """End the session."""
        self.token, self.refresh, self.caller = None, None, NOBODY
        self.cookies |= {name: ("", 0) for name in (SESSION, REFRESH) if name in self.request.cookies}

    def choose(self, currency: str) -> None:
        """Show prices in another currency from now on."""
        self.cookies[CURRENCY] = (currency, LONG)

    def bake(self, response: Response) -> Response:
        """The response, with the cookies that have changed."""
        for name, (value, lifetime) in self.cookies.items():
            response.set_cookie(
                name, value, max_age=lifetime, httponly=True, samesite="lax", secure=self.is_secure(),
            )
        return response

    def is_secure(self) -> bool:
        """Whether the browser came by TLS, as far as a gateway says so."""
        said = self.request.headers.get("x-forwarded-proto", self.request.url.scheme)
        return said.partition(",")[0].strip() == "https"


def visit_of(request: Request, settings: StorefrontSettings, form: Mapping[str, str] = NOTHING) -> Visit:
    """A visit with what its cookies say; prices are in the shop's currency where the visitor has chosen no other."""
    chosen = CURRENCIES.get(request.cookies.get(CURRENCY, "")) or CURRENCIES[settings.currency]
    cookies = request.cookies
    return Visit(request, settings.name, chosen, cookies.get(SESSION), cookies.get(REFRESH), form=form)


def local(path: str, otherwise: str = "/") -> str:
    """A place to go to within the shop, and nowhere else."""
    try:
        parts = urlsplit(path)
    except ValueError:  # such as "//["
        return otherwise
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain and not parts.netloc and not parts.scheme else otherwise

"""The gate: what every request passes before it is answered, and what every answer is told besides its own headers."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address, ip_network
from time import monotonic

from starlette.types import Receive, Scope, Send

from craton.edge.authentication import GUEST
from craton.edge.exchange import Exchange, Pair
from craton.edge.rates import Rate
from craton.edge.settings import EdgeSettings

COMMON: tuple[Pair, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""What browsers are told of every answer (OWASP, REST security). An application of a module's own says it otherwise."""
ONLY_TLS: Pair = (b"strict-transport-security", b"max-age=31536000")
ASKED = b"authorization, content-type, idempotency-key, if-match, if-none-match, prefer, traceparent, x-request-id"
EXPOSED = b"etag, link, location, ratelimit, ratelimit-policy, retry-after, x-request-id"


class Gate:
    """The gate of one edge."""

    def __init__(self, settings: EdgeSettings) -> None:
        self.settings, self.origins = settings, settings.foreign_origins()
        self.rate = Rate("caller", per_second=settings.rate, burst=settings.burst)
        self.sign_ins = Rate("sign-in", per_second=settings.sign_ins / 60, burst=settings.sign_ins)
        policy = [(b"ratelimit-policy", self.rate.policy)] if settings.rate else []
        self.common: tuple[Pair, ...] = (*COMMON, *policy)
        self.proxies = settings.proxies()
        self.is_proxy = lru_cache(4096)(self.among_proxies)

    def enter(self, scope: Scope, receive: Receive, send: Send) -> Exchange:
        """A request, from now on."""
        exchange = Exchange(scope, receive, send, common=self.common)
        if scope.get("scheme") == "https" or (b"x-forwarded-proto" in exchange.given and self.is_secure(exchange)):
            exchange.told.append(ONLY_TLS)
        if self.origins:
            self.admit_origin(exchange)
        return exchange

    def charge(self, exchange: Exchange, who: str) -> None:
        """Count a request; Problem where there were too many. `who`: the caller's subject, or nothing for the address
        that the request comes from, by which guests count, too."""
        if self.settings.rate:
            if not who or who.startswith(GUEST):
                who = self.address(exchange)
            exchange.told.append((b"ratelimit", self.rate.take(who, now=monotonic())))

    def charge_sign_in(self, exchange: Exchange) -> None:
        """Count a try; Problem where there were too many from this address."""
        if self.settings.sign_ins:
            self.sign_ins.take(self.address(exchange), now=monotonic())

    # ------------------------------------------------------------------ where a request comes from

    def is_secure(self, exchange: Exchange) -> bool:
        """Whether the client speaks TLS to a proxy before this edge."""
        return exchange.given.get(b"x-forwarded-proto") == b"https" and self.is_proxied(exchange.scope)

    def is_proxied(self, scope: Scope) -> bool:
        """Whether a request comes over a proxy that is believed: one that was named, or one on a Unix socket."""
        client = scope.get("client")
        return client is None or not client[0] or (bool(self.proxies) and self.is_proxy(client[0]))

    def among_proxies(self, address: str) -> bool:
        """Whether an address is a trusted proxy's."""
        try:
            return any(ip_address(address) in network for network in self.proxies)
        except ValueError:
            return False

    def address(self, exchange: Exchange) -> str:
        """The client's address; of IPv6, the network (/64)."""
        found = self.client(exchange)
        return found if ":" not in found else network_of(found)

    def client(self, exchange: Exchange) -> str:
        """The client's address: the last one in X-Forwarded-For that is no proxy's."""
        client = exchange.scope.get("client")
        found: str = client[0] if client else ""
        if (self.proxies or not found) and self.is_proxied(exchange.scope):
            hops = exchange.given.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
            found = next((hop for hop in map(str.strip, reversed(hops)) if hop and not self.is_proxy(hop)), found)
        return found

    def as_sent(self, exchange: Exchange) -> Scope:
        """The scope of a request as its client sent it to the proxy in front: from where, and over which scheme."""
        if b"x-forwarded-proto" not in exchange.given or not self.is_proxied(exchange.scope):
            return exchange.scope
        scheme = "https" if exchange.given[b"x-forwarded-proto"] == b"https" else "http"
        return {**exchange.scope, "scheme": scheme, "client": (self.client(exchange), 0)}

    # ------------------------------------------------------------------ pages of other sites

    def admit_origin(self, exchange: Exchange) -> None:
        """Tell the browser that a page of another site may read the answer (CORS)."""
        exchange.told.append((b"vary", b"origin"))
        origin = exchange.given.get(b"origin")
        if origin is not None and not self.origins.isdisjoint((origin, b"*")):
            exchange.told += [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED)]

    def is_preflight(self, exchange: Exchange) -> bool:
        """Whether a browser asks what such a page may ask."""
        return bool(
            self.origins and exchange.scope["method"] == "OPTIONS"
            and b"access-control-request-method" in exchange.given
        )

    async def preflight(self, exchange: Exchange, verbs: Collection[str]) -> None:
        """Answer it."""
        exchange.told += [
            (b"access-control-allow-methods", ", ".join(sorted(verbs)).encode()),
            (b"access-control-allow-headers", ASKED), (b"access-control-max-age", b"600"),
        ]
        await exchange.answer(204)


def network_of(address: str) -> str:
    """The network of an IPv6 address: one client has 2^64 addresses there."""
    try:
        found = ip_address(address)
        mapped = getattr(found, "ipv4_mapped", None)
        return str(mapped or ip_network((address, 64), strict=False))
    except ValueError:
        return address[:64]

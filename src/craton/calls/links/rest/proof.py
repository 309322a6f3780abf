"""How a service shows over HTTP that it is one of this application: it signs each request, with all that it says."""

from __future__ import annotations

import hmac
from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from craton.calls.assertion import derive
from craton.errors import NotAuthenticated, OutcomeUnknown
from craton.values import Value

LIFETIME = 60.0
"""Seconds that a signed request is believed: as long as clocks may differ."""
PEER, DIGEST = "craton-peer", "craton-digest"
SIGNED = ("craton-caller", "idempotency-key", "craton-undoes", "craton-timeout", "traceparent", "if-match")
"""The headers that are signed, in this order; what is missing counts as empty."""
WRONG = "it was not signed by a service of this application: its CRATON_SECRET is another one, or it was changed."


class Peer(Value):
    """Who asks: a service, what it declared that it needs, when it said so (seconds since 1970), and, by chance, what
    makes this request another than all before."""

    service: str
    needs: tuple[str, ...]
    at: float
    nonce: str = ""

    def may_ask(self, name: str) -> bool:
        """Whether it declared that it needs this method's module, or the method by itself."""
        return name in self.needs or name.partition(".")[0] in self.needs


class Prover:
    """Signs requests, and verifies them, for services that share a secret. Other languages do the same: the header
    `craton-peer` is base64url(mac + peer), where peer is JSON, and mac the HMAC-SHA256 of `said`."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive(secret, "rest")

    def sign(self, peer: Peer, verb: str, target: str, headers: Mapping[str, str], digest: str) -> str:
        """The header that signs a request. `target`: its path and query string as they are sent; `digest`: of its
        body."""
        told = msgspec.json.encode(peer)
        return urlsafe_b64encode(self._mac(told, said(verb, target, headers, digest)) + told).decode()

    def verify(  # a request consists of these
        self, header: str, verb: str, target: str, headers: Mapping[str, str], digest: str, *, now: float
    ) -> Peer:
        """Who signed this request; NotAuthenticated where anything is wrong."""
        try:
            data = b64decode(header, altchars=b"-_", validate=True)
        except (Error, ValueError) as error:
            raise NotAuthenticated(WRONG) from error
        mac, told = data[: sha256().digest_size], data[sha256().digest_size :]
        if not hmac.compare_digest(mac, self._mac(told, said(verb, target, headers, digest))):
            raise NotAuthenticated(WRONG)
        peer = msgspec.json.decode(told, type=Peer)
        if abs(now - peer.at) > LIFETIME:
            raise NotAuthenticated("the request was signed at another time: compare the clocks of the two services.")
        return peer

    def _mac(self, told: bytes, what: str) -> bytes:
        return hmac.digest(self._key, told + b"\n" + what.encode(), "sha256")


class Once:
    """Takes each signed request once, for as long as it is believed: one that was overheard is worth nothing. For what
    no key makes harmless to repeat."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], float] = {}

    def take(self, peer: Peer, *, now: float) -> None:
        """Take one. OutcomeUnknown where it came before: whoever sent it then was answered."""
        while self.seen and next(iter(self.seen.values())) < now:
            del self.seen[next(iter(self.seen))]
        one = peer.service, peer.nonce
        if one in self.seen:
            raise OutcomeUnknown("this very request came before: it is not done again.")
        self.seen[one] = now + 2 * LIFETIME


def digest_of(body: bytes) -> str:
    """What stands for a body: the header `craton-digest`, so that a request can be verified before its body is read."""
    return sha256(body).hexdigest()


def said(verb: str, target: str, headers: Mapping[str, str], digest: str) -> str:
    """All that a request says, one thing a line."""
    return "\n".join([verb, target, *(headers.get(name, "") for name in SIGNED), digest])

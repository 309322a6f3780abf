"""How a service shows over HTTP that it is one of this application: it signs each request, with all that it says."""

from __future__ import annotations

import hmac
from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from craton.calls.assertion import derive
from craton.errors import NotAuthenticated
from craton.values import Value

LIFETIME = 60.0
"""Seconds that a signed request is believed: as long as clocks may differ."""
PEER = "craton-peer"
SIGNED = ("craton-caller", "idempotency-key", "craton-undoes", "craton-timeout", "traceparent", "if-match")
"""The headers that are signed, in this order; what is missing counts as empty."""
WRONG = "it was not signed by a service of this application: its CRATON_SECRET is another one, or it was changed."


class Peer(Value):
    """Who asks: a service, what it declared that it needs, and when it said so (seconds since 1970)."""

    service: str
    needs: tuple[str, ...]
    at: float

    def may_ask(self, name: str) -> bool:
        """Whether it declared that it needs this method's module, or the method by itself."""
        return name in self.needs or name.partition(".")[0] in self.needs


class Prover:
    """Signs requests, and verifies them, for services that share a secret. Other languages do the same: the header
    `craton-peer` is base64url(mac + peer), where peer is JSON, and mac the HMAC-SHA256 of `said`."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive(secret, "rest")

    def sign(self, peer: Peer, verb: str, target: str, headers: Mapping[str, str], body: bytes) -> str:
        """The header that signs a request. `target`: its path and query string as they are sent."""
        told = msgspec.json.encode(peer)
        return urlsafe_b64encode(self._mac(told, said(verb, target, headers, body)) + told).decode()

    def verify(  # a request consists of these
        self, header: str, verb: str, target: str, headers: Mapping[str, str], body: bytes, *, now: float
    ) -> Peer:
        """Who signed this request; NotAuthenticated where anything is wrong."""
        try:
            data = b64decode(header, altchars=b"-_", validate=True)
        except (Error, ValueError) as error:
            raise NotAuthenticated(WRONG) from error
        mac, told = data[: sha256().digest_size], data[sha256().digest_size :]
        if not hmac.compare_digest(mac, self._mac(told, said(verb, target, headers, body))):
            raise NotAuthenticated(WRONG)
        peer = msgspec.json.decode(told, type=Peer)
        if abs(now - peer.at) > LIFETIME:
            raise NotAuthenticated("the request was signed at another time: compare the clocks of the two services.")
        return peer

    def _mac(self, told: bytes, what: str) -> bytes:
        return hmac.digest(self._key, told + b"\n" + what.encode(), "sha256")


def said(verb: str, target: str, headers: Mapping[str, str], body: bytes) -> str:
    """All that a request says, one thing a line."""
    return "\n".join([verb, target, *(headers.get(name, "") for name in SIGNED), sha256(body).hexdigest()])

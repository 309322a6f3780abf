"""Who asks, as one service tells another: a short-lived signed assertion, never a field of a message."""

from __future__ import annotations

import hmac
from hashlib import sha256

import msgspec

from craton.calls.context import Caller
from craton.errors import NotAuthenticated, SettingsError
from craton.values import Value

SHORTEST = 16
"""Characters a signing secret must have at least."""


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose, so that what is signed for one purpose is worth nothing for another."""
    if len(secret) < SHORTEST:
        raise SettingsError(f"CRATON_SECRET has {len(secret)} characters: give it {SHORTEST} random ones or more.")
    return hmac.digest(secret, b"craton " + purpose.encode(), "sha256")


class Assertion(Value):
    """A caller, and until when (seconds since 1970) another service may believe it."""

    subject: str
    roles: tuple[str, ...]
    until: float


class Signer:
    """Signs who asks, and verifies it, for services that share a secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive(secret, "assertion")
        self._reader = msgspec.msgpack.Decoder(Assertion)

    def sign(self, caller: Caller, *, now: float, lifetime: float = 60) -> bytes:
        """The caller, to be believed for `lifetime` seconds from `now` (seconds since 1970)."""
        body = msgspec.msgpack.encode(Assertion(caller.subject, tuple(sorted(caller.roles)), now + lifetime))
        return self._mac(body) + body

    def verify(self, data: bytes, *, now: float) -> Caller:
        """The caller that was signed; NotAuthenticated where anything is wrong."""
        mac, body = data[: sha256().digest_size], data[sha256().digest_size :]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise NotAuthenticated("the caller's assertion was not signed by a service of this application.")
        assertion = self._reader.decode(body)
        if assertion.until <= now:
            raise NotAuthenticated("the caller's assertion has expired: compare the clocks of the two services.")
        return Caller(assertion.subject, frozenset(assertion.roles))

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")

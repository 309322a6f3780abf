"""Who asks, as one service tells another: a short-lived signed assertion, never a field of a message."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TypeVar

import msgspec

from craton.calls.context import Caller
from craton.errors import NotAuthenticated, SettingsError
from craton.values import Value

T = TypeVar("T")
U = TypeVar("U")
SHORTEST = 16
"""Characters a signing secret must have at least."""
LIFETIME = 60.0
"""Seconds from signing for which another service may believe it; a signature is used again in their first half."""
KEPT = 4096
"""Callers, and assertions, that are remembered: a signature takes longer than all the rest of what a call carries."""


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
    """Signs who asks, and verifies it, for services that share a secret: HMAC-SHA256, then JSON, which other languages
    read as well."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive(secret, "assertion")
        self._reader = msgspec.json.Decoder(Assertion)
        self._signed: dict[Caller, tuple[bytes, float]] = {}
        self._verified: dict[bytes, tuple[Caller, float]] = {}

    def assertion(self, caller: Caller, *, now: float) -> bytes:
        """The caller, signed, to be believed for half a LIFETIME from `now` at least."""
        data, since = self._signed.get(caller, (b"", 0.0))
        if not 0 <= now - since < LIFETIME / 2 or not data:
            data = self.sign(caller, now=now)
            keep(self._signed, caller, (data, now))
        return data

    def sign(self, caller: Caller, *, now: float, lifetime: float = LIFETIME) -> bytes:
        """The caller, to be believed for `lifetime` seconds from `now` (seconds since 1970)."""
        body = msgspec.json.encode(Assertion(caller.subject, tuple(sorted(caller.roles)), now + lifetime))
        return self._mac(body) + body

    def verify(self, data: bytes, *, now: float) -> Caller:
        """The caller that was signed; NotAuthenticated where anything is wrong."""
        found = self._verified.get(data)
        if found is None:
            found = self._read(data)
            keep(self._verified, data, found)
        caller, until = found
        if until <= now:
            raise NotAuthenticated("the caller's assertion has expired: compare the clocks of the two services.")
        return caller

    def _read(self, data: bytes) -> tuple[Caller, float]:
        """The caller that was signed, and until when to believe it."""
        mac, body = data[: sha256().digest_size], data[sha256().digest_size :]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise NotAuthenticated("the caller's assertion was not signed by a service of this application.")
        assertion = self._reader.decode(body)
        return Caller(assertion.subject, frozenset(assertion.roles)), assertion.until

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")


def keep(cache: dict[T, U], key: T, value: U) -> None:
    """Remember something, and forget the oldest where there is too much."""
    if len(cache) >= KEPT:
        del cache[next(iter(cache))]
    cache[key] = value

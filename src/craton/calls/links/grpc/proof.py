"""How a service shows by gRPC that it is one of this application: each call is signed, with what it asks."""

from __future__ import annotations

import hmac
from hashlib import sha256

import msgspec

from craton.calls.assertion import derive
from craton.errors import NotAuthenticated
from craton.values import Value

LIFETIME = 60.0
"""Seconds that a signed call is believed: as long as clocks may differ."""
WRONG = "the call was not signed by a service of this application: its CRATON_SECRET is another one, or it was changed."


class Peer(Value):
    """Who calls: a service, which modules it declared that it needs, and when it said so (seconds since 1970)."""

    service: str
    needs: tuple[str, ...]
    at: float

    def may_ask(self, name: str) -> bool:
        """Whether it declared that it needs this method's module, or the method by itself."""
        return name in self.needs or name.partition(".")[0] in self.needs


class Prover:
    """Signs calls, and verifies them, for services that share a secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive(secret, "grpc")

    def sign(self, peer: Peer, said: object) -> bytes:
        """The peer, signed with all that it says in one call."""
        body = msgspec.msgpack.encode(peer)
        return self._mac(body, said) + body

    def verify(self, data: bytes, said: object, *, now: float) -> Peer:
        """Who signed this call; NotAuthenticated where anything is wrong."""
        mac, body = data[: sha256().digest_size], data[sha256().digest_size :]
        if not hmac.compare_digest(mac, self._mac(body, said)):
            raise NotAuthenticated(WRONG)
        peer = msgspec.msgpack.decode(body, type=Peer)
        if abs(now - peer.at) > LIFETIME:
            raise NotAuthenticated("the call was signed at another time: compare the clocks of the two services.")
        return peer

    def _mac(self, body: bytes, said: object) -> bytes:
        return hmac.digest(self._key, body + msgspec.msgpack.encode(said), "sha256")

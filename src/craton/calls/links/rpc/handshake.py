"""The greeting of an rpc connection: who the peer is, and that both sides have the secret."""

from __future__ import annotations

import hmac
import os

import msgspec

from craton.calls.links.rpc.frames import (
    VERSION,
    Challenge,
    Frame,
    FrameError,
    Hello,
    Kind,
    client_proof,
    encode,
    read,
    server_proof,
    unlike,
)


class Refused(Exception):
    """The other side is not talked to, or does not want to: the text says why. `service`: who was refused."""

    def __init__(self, why: str, service: str = "") -> None:
        self.service = service
        super().__init__(why)


class ServerGreeting:
    """The server's part: it says its `challenge`, and hears one HELLO."""

    def __init__(self, *, secret: bytes, service: str) -> None:
        self.secret = secret
        self.challenge = Challenge(VERSION, service, os.urandom(16))

    def hear(self, found: Frame) -> tuple[Hello, bytes]:
        """What the client says of itself, and the body of the WELCOME. Refused where it may not come in."""
        if found.kind is not Kind.HELLO:
            raise FrameError(f"its first frame was {found.kind.name}, not HELLO")
        hello = read(found.body, Hello)
        if why := unlike(hello.version):
            raise Refused(why, hello.service)
        if not hmac.compare_digest(hello.proof, client_proof(self.secret, self.challenge, hello)):
            raise Refused("its CRATON_SECRET is another one", hello.service)
        return hello, server_proof(self.secret, self.challenge, hello)


class ClientGreeting:
    """The client's part: it answers the challenge with a HELLO, and checks the WELCOME."""

    def __init__(self, *, secret: bytes, service: str, needs: frozenset[str]) -> None:
        self.secret, self.service, self.needs = secret, service, needs
        self.expected = b""  # the server's proof, once it has been challenged

    def hear(self, found: Frame) -> bytes | None:
        """The body of the HELLO to answer with; None when the server is the right one. Refused where it is not."""
        if found.kind is Kind.CHALLENGE:
            return self.hello(read(found.body, Challenge))
        if found.kind is Kind.REFUSED:
            raise Refused(f"it refused this service: {read(found.body, str)}")
        if found.kind is not Kind.WELCOME or not self.expected or not hmac.compare_digest(found.body, self.expected):
            raise Refused("it could not show that it has this CRATON_SECRET")
        return None

    def hello(self, challenge: Challenge) -> bytes:
        """Who this is, with a challenge of our own."""
        if why := unlike(challenge.version):
            raise Refused(why)
        hello = Hello(VERSION, self.service, tuple(sorted(self.needs)), os.urandom(16), b"")
        self.expected = server_proof(self.secret, challenge, hello)
        return encode(msgspec.structs.replace(hello, proof=client_proof(self.secret, challenge, hello)))

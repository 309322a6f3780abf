"""The greeting of an rpc connection: who the peer is, that both sides have the secret, and that their contracts fit."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from craton.calls.codec import MALFORMED
from craton.calls.links.rpc.frames import (
    VERSION,
    Challenge,
    Frame,
    FrameError,
    Hello,
    Kind,
    encode,
    printable,
    proof_of,
    read,
    unlike,
)
from craton.fingerprint import differences, fingerprint

TOLD = 8  # differences that a refusal names; more are counted


Grants = Callable[[str], frozenset[str] | None]
"""Which modules and methods a service may need; None for a service that is not known."""


class Refused(Exception):
    """The other side is not talked to, or does not want to: the text says why. `service`: who was refused."""

    def __init__(self, why: str, service: str = "") -> None:
        self.service = service
        super().__init__(why)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What one side of a connection has to say of itself.

    `contracts` are those it provides or needs, by module. Without `grants` every peer is believed what it needs.
    """

    secret: bytes = field(repr=False)
    service: str = ""
    contracts: Mapping[str, type] = field(default_factory=dict)
    grants: Grants | None = None


class ServerGreeting:
    """The server's part: it says its `challenge`, and hears one HELLO. `proven`: the names in the peer's certificate,
    None where the connection needs none."""

    def __init__(self, terms: Terms, *, proven: frozenset[str] | None = None) -> None:
        self.terms, self.proven, self.heard = terms, proven, False
        digests = {module: fingerprint(contract).digest for module, contract in terms.contracts.items()}
        self.challenge = Challenge(VERSION, terms.service, os.urandom(16), digests)

    def hear(self, found: Frame) -> tuple[Hello, bytes]:
        """What the client says of itself, its needs as far as they are granted, and the body of the WELCOME.

        Refused where it may not come in.
        """
        if found.kind is not Kind.HELLO:
            raise FrameError(f"its first frame was {found.kind.name}, not HELLO")
        if self.heard:
            raise FrameError("it said HELLO again after it was refused")
        self.heard = True
        hello, secret = read(found.body, Hello), self.terms.secret
        if why := unlike(hello.version):
            raise Refused(why, hello.service)
        if not hmac.compare_digest(hello.proof, proof_of(b"client", secret, self.challenge, hello)):
            raise Refused("its CRATON_SECRET is another one", hello.service)
        needs = self.granted(hello)
        if why := self.misfits(hello):
            raise Refused(why, hello.service)
        return msgspec.structs.replace(hello, needs=needs), proof_of(b"server", secret, self.challenge, hello)

    def granted(self, hello: Hello) -> tuple[str, ...]:
        """What of its needs the peer may have: a whole module, or methods of it."""
        if self.proven is not None and hello.service not in self.proven:
            raise Refused(f"its certificate is not of {hello.service}, but of {', '.join(sorted(self.proven))}",
                          hello.service)
        if self.terms.grants is None:
            return hello.needs
        granted = self.terms.grants(hello.service)
        if granted is None:
            raise Refused(f"the topology has no service {hello.service}", hello.service)
        whole = {need for need in hello.needs if {need, module_of(need)} & granted}
        return tuple(whole | {name for name in granted if module_of(name) in hello.needs})

    def misfits(self, hello: Hello) -> str:
        """Where what the peer believes of contracts would break its calls, in words."""
        found = []
        for module, theirs in hello.contracts.items():
            if ours := self.terms.contracts.get(module):
                try:
                    found += differences(module, ours=fingerprint(ours).description, theirs=theirs)
                except MALFORMED as error:
                    raise FrameError(f"its description of {module} is none: {error}") from error
        more = [f"and {len(found) - TOLD} more"] if len(found) > TOLD else []
        told = "; ".join([*found[:TOLD], *more])
        return f"its contracts do not fit those of {self.terms.service}: {told}: deploy both anew" if found else ""


def module_of(name: str) -> str:
    """The module of "module" or "module.method"."""
    return name.partition(".")[0]


class ClientGreeting:
    """The client's part: it answers the challenge with a HELLO, and checks the WELCOME. `peer`: the service meant."""

    def __init__(self, terms: Terms, *, needs: frozenset[str], peer: str = "") -> None:
        self.terms, self.needs, self.peer = terms, needs, peer
        self.expected = b""  # the server's proof, once it has been challenged

    def hear(self, found: Frame) -> bytes | None:
        """The body of the HELLO to answer with; None when the server is the right one. Refused where it is not."""
        if found.kind is Kind.CHALLENGE and not self.expected:
            return self.hello(read(found.body, Challenge))
        if found.kind is Kind.REFUSED:
            raise Refused(f"it refused this service: {printable(read(found.body, str))}")
        if found.kind is not Kind.WELCOME or not self.expected:
            raise FrameError(f"a server may not begin with {found.kind.name}")
        if not hmac.compare_digest(found.body, self.expected):
            raise Refused("it could not show that it has this CRATON_SECRET")
        return None

    def hello(self, challenge: Challenge) -> bytes:
        """Who this is, with a challenge of our own."""
        if why := unlike(challenge.version):
            raise Refused(why)
        if self.peer and challenge.service not in ("", self.peer):
            raise Refused(f"it is {challenge.service} and not {self.peer}: correct CRATON_PEERS")
        taken = {name: fingerprint(contract) for name, contract in self.terms.contracts.items()}
        theirs = challenge.contracts
        contracts = {name: t.description for name, t in taken.items() if theirs.get(name, t.digest) != t.digest}
        hello = Hello(VERSION, self.terms.service, tuple(sorted(self.needs)), os.urandom(16), contracts)
        self.expected = proof_of(b"server", self.terms.secret, challenge, hello)
        return encode(msgspec.structs.replace(hello, proof=proof_of(b"client", self.terms.secret, challenge, hello)))

"""What two services say to each other over rpc: frames, their bodies, and how each side proves who it is.

A frame is: length of the body (4 bytes, big-endian), number of the call (8), kind (1), body (MessagePack).

    server -> client   CHALLENGE   version, service, nonce, digests of its contracts
    client -> server   HELLO       version, service, needs, nonce, what it holds of contracts that differ, proof
    server -> client   WELCOME     proof                     or REFUSED with the reason, and close
    client -> server   REQUEST     a Request                 any number at once, each with a number of its own
    server -> client   REPLY       a Reply                   or UNTAKEN: "I am leaving; ask another replica"
    server -> client   RESULT      an encoded result, in place of a Reply that says no more
    server -> client   ITEM        the next item of a stream, encoded: a query that streams; REPLY ends it
    client -> server   CREDIT      how many more items, and bytes of them, may be sent on a stream
    client -> server   CANCEL      the caller waits no more
    server -> client   GOODBYE     no new requests, please; the client closes when its answers are in
    both               PING        "are you there?", which is answered with PONG
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from craton.calls.codec import MALFORMED, decode

VERSION = 2
FRAME_LIMIT = 16 * 1024 * 1024
HELLO_LIMIT = 256 * 1024  # of a peer that has not proved who it is; descriptions of contracts take most of it
HEADER = Struct(">IQB")
MOST_SAID = 2000  # characters of a peer's words that are repeated
TLS = b"\x16\x03"  # what a TLS client's first words begin with

T = TypeVar("T")
encode = msgspec.msgpack.encode


class Kind(IntEnum):
    """What a frame is."""

    CHALLENGE = 1
    HELLO = 2
    WELCOME = 3
    REFUSED = 4
    REQUEST = 5
    REPLY = 6
    UNTAKEN = 7
    CANCEL = 8
    GOODBYE = 9
    ITEM = 10
    CREDIT = 11
    PING = 12
    PONG = 13
    RESULT = 14


LAST = max(Kind)
KINDS = tuple(Kind)  # by number, less one: to make the member from its number takes ten times as long


class FrameError(Exception):
    """The other side sent what is not a frame, or not one that may come now: the connection is closed."""


class Frame(NamedTuple):
    """One frame: its kind, the number of the call it belongs to, its encoded body."""

    kind: Kind
    number: int
    body: bytes


class Challenge(msgspec.Struct, frozen=True):
    """The server's first word. `contracts`: the digests of the contracts of its modules, by module."""

    version: int
    service: str
    nonce: bytes
    contracts: dict[str, bytes] = {}


class Hello(msgspec.Struct, frozen=True):
    """The client's answer: who it is, and the modules whose methods it may call.

    `contracts`: what it believes of those whose digest is another one here, for the server to judge.
    """

    version: int
    service: str
    needs: tuple[str, ...]
    nonce: bytes
    contracts: dict[str, bytes] = {}
    proof: bytes = b""


class Credit(msgspec.Struct, frozen=True):
    """How many more items of a stream, and bytes of them, there is room for."""

    items: Annotated[int, msgspec.Meta(ge=0)]
    bytes: Annotated[int, msgspec.Meta(ge=0)]


class FrameReader:
    """Cuts a stream of bytes into frames, wherever the network cut it."""

    def __init__(self, *, limit: int = FRAME_LIMIT) -> None:
        self.limit = limit
        self.buffer = bytearray()
        self.wanted = 0  # bytes until there is more to be read
        self.begun = 0  # how often a frame came in pieces

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now. FrameError where garbage begins; a reader that raised is of no more use."""
        if self.buffer:
            self.buffer += data
            if len(self.buffer) < self.wanted:
                return
            data = bytes(self.buffer)
            self.buffer.clear()
        at, last = 0, len(data) - HEADER.size
        while at <= last:
            length, number, kind = HEADER.unpack_from(data, at)
            if not 1 <= kind <= LAST:
                raise FrameError(other(data[at:]) or f"{kind} is not a kind of frame")
            if length > self.limit:
                why = f"a frame of {length:,} bytes is over the limit of {self.limit:,}"
                raise FrameError(other(data[at:]) or why)
            body = at + HEADER.size
            if body + length > len(data):
                break
            at = body + length
            yield Frame(KINDS[kind - 1], number, data[body:at])
        self.keep(data[at:])

    def keep(self, rest: bytes) -> None:
        """Keep the beginning of a frame until the rest of it comes."""
        self.buffer += rest
        self.begun += 1
        self.wanted = HEADER.size
        if len(rest) >= HEADER.size:
            self.wanted += HEADER.unpack_from(rest)[0]


def other(data: bytes) -> str:
    """Which other protocol the peer speaks, and what to do; "" for none that is known."""
    return "it speaks TLS, and this side does not: set CRATON_TLS" if data[:2] == TLS else ""


def printable(text: str) -> str:
    """What a peer said, fit for a log and for people: on one line, and not too long."""
    return "".join(c if c.isprintable() else "?" for c in text[:MOST_SAID])


def frame(kind: Kind, number: int = 0, body: bytes = b"") -> bytes:
    """A frame's bytes."""
    return HEADER.pack(len(body), number, kind) + body


def read(body: bytes, kind: type[T]) -> T:
    """A frame's body, checked; FrameError where it is none."""
    try:
        found: T = decode(kind, body)
        return found
    except MALFORMED as error:
        raise FrameError(f"its body is no {kind.__name__}: {error}") from error


def proof_of(side: bytes, secret: bytes, challenge: Challenge, hello: Hello) -> bytes:
    """Shows that one side, b"client" or b"server", has the secret, and that nobody changed what either said."""
    said = encode([challenge, msgspec.structs.replace(hello, proof=b"")])
    return hmac.digest(secret, b"craton rpc " + side + b"\0" + said, "sha256")


def unlike(version: int) -> str | None:
    """Why a peer of this protocol version cannot be talked to; None when it can."""
    if version == VERSION:
        return None
    return f"it speaks version {version} of the protocol, and this side {VERSION}: deploy both with the same Craton"

"""What two services say to each other over rpc: frames, their bodies, and how each side proves who it is.

A frame is: length of the body (4 bytes, big-endian), number of the call (8), kind (1), body (MessagePack).

    server -> client   CHALLENGE   version, service, nonce
    client -> server   HELLO       version, service, needs, nonce, proof
    server -> client   WELCOME     proof                     or REFUSED with the reason, and close
    client -> server   REQUEST     a Request                 any number at once, each with a number of its own
    server -> client   REPLY       a Reply                   or UNTAKEN: "I am leaving; ask another replica"
    client -> server   CANCEL      the caller waits no more
    server -> client   GOODBYE     no new requests, please; the client closes when its answers are in
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import NamedTuple, TypeVar

import msgspec

VERSION = 1
FRAME_LIMIT = 16 * 1024 * 1024
HELLO_LIMIT = 64 * 1024  # of a peer that has not proved who it is
HEADER = Struct(">IQB")

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


class FrameError(Exception):
    """The other side sent what is not a frame, or not one that may come now: the connection is closed."""


class Frame(NamedTuple):
    """One frame: its kind, the number of the call it belongs to, its encoded body."""

    kind: Kind
    number: int
    body: bytes


class Challenge(msgspec.Struct, frozen=True):
    """The server's first word."""

    version: int
    service: str
    nonce: bytes


class Hello(msgspec.Struct, frozen=True):
    """The client's answer: who it is, and the modules whose methods it may call."""

    version: int
    service: str
    needs: tuple[str, ...]
    nonce: bytes
    proof: bytes


class FrameReader:
    """Cuts a stream of bytes into frames, wherever the network cut it."""

    def __init__(self, *, limit: int = FRAME_LIMIT) -> None:
        self.limit = limit
        self.buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now. FrameError where garbage begins; a reader that raised is of no more use."""
        self.buffer += data
        while (found := self.take()) is not None:
            yield found

    def take(self) -> Frame | None:
        """The first frame of the buffer, taken out of it; None while it is incomplete."""
        if len(self.buffer) < HEADER.size:
            return None
        length, number, kind = HEADER.unpack_from(self.buffer)
        if not 1 <= kind <= len(Kind):
            raise FrameError(f"{kind} is not a kind of frame")
        if length > self.limit:
            raise FrameError(f"a frame of {length:,} bytes is over the limit of {self.limit:,}")
        end = HEADER.size + length
        if len(self.buffer) < end:
            return None
        body = bytes(memoryview(self.buffer)[HEADER.size:end])
        del self.buffer[:end]
        return Frame(Kind(kind), number, body)


def frame(kind: Kind, number: int = 0, body: bytes = b"") -> bytes:
    """A frame's bytes."""
    return HEADER.pack(len(body), number, kind) + body


def read(body: bytes, kind: type[T]) -> T:
    """A frame's body, checked; FrameError where it is none."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise FrameError(f"its body is no {kind.__name__}: {error}") from error


def client_proof(secret: bytes, challenge: Challenge, hello: Hello) -> bytes:
    """Shows the server that the client has the secret, and that nobody changed what it says of itself."""
    said = encode([challenge.nonce, challenge.version, hello.version, hello.service, hello.needs, hello.nonce])
    return hmac.digest(secret, b"craton rpc client\0" + said, "sha256")


def server_proof(secret: bytes, challenge: Challenge, hello: Hello) -> bytes:
    """Shows the client that the server has the secret, too."""
    said = encode([challenge.nonce, challenge.service, hello.nonce])
    return hmac.digest(secret, b"craton rpc server\0" + said, "sha256")


def unlike(version: int) -> str | None:
    """Why a peer of this protocol version cannot be talked to; None when it can."""
    if version == VERSION:
        return None
    return f"it speaks version {version} of the protocol, and this side {VERSION}: deploy both with the same Craton"

"""Checksums of the bytes of one request, as tus has them: `Upload-Checksum: sha1 <base64>`."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from typing import Self

from apps.video.uploads.headers import BadHeader

ALGORITHMS = ("sha1", "sha256", "md5")


class Mismatch(Exception):
    """The bytes that came are not those that were sent."""

    def __init__(self) -> None:
        super().__init__("these bytes are not those that were sent: their checksum differs. Send them again.")


class Checksum:
    """What the bytes of a request are to hash to, and what they do hash to so far."""

    def __init__(self, algorithm: str, expected: bytes) -> None:
        self.hash, self.expected = hashlib.new(algorithm, usedforsecurity=False), expected

    @classmethod
    def asked(cls, header: str | None) -> Self | None:
        """That of a header; None without one."""
        if header is None:
            return None
        algorithm, _, digest = header.strip().partition(" ")
        if algorithm not in ALGORITHMS:
            raise BadHeader(f"Upload-Checksum: {algorithm} is not known: use {', '.join(ALGORITHMS)}.")
        try:
            return cls(algorithm, b64decode(digest, validate=True))
        except ValueError:
            raise BadHeader("Upload-Checksum: write the algorithm, a space, and the digest in base64.") from None

    def take(self, piece: bytes) -> None:
        """More bytes."""
        self.hash.update(piece)

    def check(self) -> None:
        """Mismatch where these are others."""
        if not hmac.compare_digest(self.hash.digest(), self.expected):
            raise Mismatch

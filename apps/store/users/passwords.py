"""Passwords: kept as argon2id hashes, and compared with equal work whether or not there is an account.

Hashes that older versions of the store made, by scrypt, are still known, until their owners sign in again.
"""

from __future__ import annotations

import hashlib
import hmac

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

N, R = 2**14, 8
"""Of scrypt: 16 MiB of memory for one hash."""
SHORTEST, LONGEST = 8, 1024


class Passwords:
    """Hashes and compares; `memory` is in KiB, `passes` over it. Both take a while: call them off the event loop."""

    def __init__(self, *, memory: int, passes: int) -> None:
        self.hasher = PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=1, type=Type.ID)

    def hashed(self, password: str) -> str:
        """What is stored of a password: argon2's own form, which names the cost, and a salt by chance."""
        return self.hasher.hash(password)

    def matches(self, password: str, stored: str | None) -> bool:
        """Whether this is the password. Without an account it is not, and finding that out takes as long."""
        if stored is None:
            self.hasher.hash(password)
            return False
        if stored.startswith("scrypt$"):
            return matches_scrypt(password, stored)
        try:
            return self.hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def is_dated(self, stored: str) -> bool:
        """Whether a password should be hashed anew: it was hashed otherwise, or at another cost."""
        return stored.startswith("scrypt$") or self.hasher.check_needs_rehash(stored)


def matches_scrypt(password: str, stored: str) -> bool:
    """Whether a password fits an old hash (RFC 7914): `scrypt$p$salt$hash`."""
    _, p, salt, expected = stored.split("$")
    found = hashlib.scrypt(
        password.encode(), salt=bytes.fromhex(salt), n=N, r=R, p=int(p), maxmem=64 * 1024 * 1024
    )
    return hmac.compare_digest(found, bytes.fromhex(expected))

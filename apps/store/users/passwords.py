"""Passwords: kept as scrypt hashes, and compared with equal work whether or not there is an account."""

from __future__ import annotations

import hashlib
import hmac
import secrets

N, R = 2**14, 8
"""16 MiB of memory for one hash."""
SHORTEST, LONGEST = 8, 1024


def hashed(password: str, *, cost: int) -> str:
    """What is stored of a password: scrypt's p, a salt and the hash. Takes a while: call it off the event loop."""
    salt = secrets.token_bytes(16)  # not injected: nobody, no test either, may decide it
    return f"scrypt${cost}${salt.hex()}${scrypt(password, salt, cost).hex()}"


def matches(password: str, stored: str | None, *, cost: int) -> bool:
    """Whether this is the password. Without an account it is not, and finding that out takes as long."""
    if stored is None:
        scrypt(password, bytes(16), cost)
        return False
    _, p, salt, expected = stored.split("$")
    return hmac.compare_digest(scrypt(password, bytes.fromhex(salt), int(p)), bytes.fromhex(expected))


def scrypt(password: str, salt: bytes, cost: int) -> bytes:
    """RFC 7914; `cost` is its p. OpenSSL wants to be told how much memory it may use."""
    return hashlib.scrypt(password.encode(), salt=salt, n=N, r=R, p=cost, maxmem=64 * 1024 * 1024)

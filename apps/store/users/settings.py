"""What differs from one installation to another in the users module."""

from __future__ import annotations

from craton import Secret, Settings


class UserSettings(Settings):
    """`admin_password`: the password of the one administrator; without it nobody can sign in as one.

    Lifetimes are in seconds. `scrypt_cost` is scrypt's p: 5 with N = 2^14 and r = 8 is OWASP's advice for 16 MiB.
    """

    admin_email: str = "admin@store.example"
    admin_password: Secret = Secret("")
    user_lifetime: int = 12 * 3600
    guest_lifetime: int = 30 * 24 * 3600
    scrypt_cost: int = 5

"""What differs from one installation to another in the users module."""

from __future__ import annotations

from craton import Secret, Settings


class UserSettings(Settings):
    """`admin_password`: the password of the one administrator; without it nobody can sign in as one.

    Lifetimes are in seconds: of an account's token, of the session that renews it, and of a guest's token. `grace`: how
    long a refresh token that was just used may be sent once more, since its answer may have been lost. `argon2_memory`
    is in KiB: 19 MiB and two passes are OWASP's advice. `tries`: wrong passwords of one account before it has to wait.
    """

    admin_email: str = "admin@store.example"
    admin_password: Secret = Secret("")
    user_lifetime: int = 15 * 60
    session_lifetime: int = 30 * 24 * 3600
    guest_lifetime: int = 30 * 24 * 3600
    grace: int = 10
    argon2_memory: int = 19 * 1024
    argon2_passes: int = 2
    tries: int = 5

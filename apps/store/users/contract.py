"""What others may know of users: accounts and sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Protocol

from msgspec import Meta

from craton import Event, Fault, Secret, Value, command, query

Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
"""An address to write to; its capitals do not count."""
PersonName = Annotated[str, Meta(max_length=200)]


class User(Value):
    """An account. `subject` is who its sessions speak for."""

    id: str
    subject: str
    email: str
    name: str
    created: datetime


class Session(Value):
    """What a client sends with each request: `Authorization: Bearer <token>`. `lifetime` is in seconds."""

    token: Secret
    subject: str
    lifetime: int


class EmailTaken(Fault, status=409):
    """There is an account with this address."""

    email: str


class WeakPassword(Fault, status=422):
    """The password is too short, or too long to be one."""

    shortest: int
    longest: int


class InvalidCredentials(Fault, status=401):
    """Address and password do not belong together; which of them is wrong is not said."""


class UserRegistered(Event, key="user"):
    """Somebody opened an account."""

    user: str
    email: str


class Users(Protocol):
    """Accounts and sessions."""

    @command(post="/users", raises=(EmailTaken, WeakPassword), allow="anyone")
    async def register(self, email: Email, password: Secret, name: PersonName = "") -> User:
        """Open an account."""
        ...

    @query(post="/sessions", raises=InvalidCredentials, allow="anyone")
    async def login(self, email: Email, password: Secret) -> Session:
        """A session of an account."""
        ...

    @query(post="/sessions/guest", allow="anyone")
    async def guest(self) -> Session:
        """A session of somebody who has no account: guests may buy."""
        ...

    @query(get="/users/me", allow="user")
    async def me(self) -> User:
        """The account of the caller."""
        ...

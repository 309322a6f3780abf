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
    """What a client sends with each request: `Authorization: Bearer <token>`. `lifetime` is in seconds. `refresh` gets
    the next one, once; guests have none, and sign in when they want to stay."""

    token: Secret
    subject: str
    lifetime: int
    refresh: Secret | None = None


class EmailTaken(Fault, status=409):
    """There is an account with this address."""

    email: str


class WeakPassword(Fault, status=422):
    """The password is too short, or too long to be one."""

    shortest: int
    longest: int


class InvalidCredentials(Fault, status=401, keeps=True):
    """Address and password do not belong together; which of them is wrong is not said."""


class TooManyTries(Fault, status=429):
    """There were too many wrong passwords for this address: wait so many seconds."""

    retry_after: int


class InvalidRefreshToken(Fault, status=401, keeps=True):
    """The refresh token is not good any more: sign in again. Where it was used before, its session has been ended."""


class UserRegistered(Event, key="user"):
    """Somebody opened an account."""

    user: str
    email: str


class Users(Protocol):
    """Accounts and sessions."""

    @command(post="/users", raises=(EmailTaken, WeakPassword), allow="anyone", sign_in=True)
    async def register(self, email: Email, password: Secret, name: PersonName = "") -> User:
        """Open an account."""
        ...

    @command(
        post="/sessions", raises=(InvalidCredentials, TooManyTries), allow="anyone", keyed=False, sign_in=True,
    )
    async def login(self, email: Email, password: Secret) -> Session:
        """A session of an account."""
        ...

    @command(post="/sessions/refresh", raises=InvalidRefreshToken, allow="anyone", keyed=False)
    async def refresh(self, token: Secret) -> Session:
        """The session goes on, with a new token and a new refresh token; this one is used up."""
        ...

    @command(post="/sessions/end", allow="anyone", keyed=False)
    async def logout(self, token: Secret) -> None:
        """End the session of a refresh token. Tokens that it gave are good until they expire."""
        ...

    @query(post="/sessions/guest", allow="anyone")
    async def guest(self) -> Session:
        """A session of somebody who has no account: guests may buy."""
        ...

    @query(get="/users/me", allow="user")
    async def me(self) -> User:
        """The account of the caller."""
        ...

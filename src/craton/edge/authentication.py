"""Tokens: who asks from outside, as a JSON Web Token (RFC 7519) that the application issues and the edge verifies."""

from __future__ import annotations

from datetime import timedelta

import jwt
import msgspec
from jwt.types import Options

from craton.calls.assertion import derive
from craton.calls.context import Caller
from craton.errors import NotAuthenticated
from craton.sources import Clock, SystemClock

ALGORITHM = "HS256"
CHECKED_HERE: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
"""PyJWT asks the machine's clock; these tokens are checked against the clock that was injected."""


class Claims(msgspec.Struct, frozen=True):
    """What a token says: whose it is, for which application, in which roles, and its times in seconds since 1970."""

    sub: str
    aud: str
    iat: float
    exp: float
    roles: tuple[str, ...] = ()


class Tokens:
    """Issues tokens, and verifies them. An implementation asks for it to sign users in, and to open guest sessions."""

    def __init__(self, secret: bytes, audience: str, *, clock: Clock | None = None) -> None:
        self._key = derive(secret, "token")
        self._audience = audience
        self._clock = clock or SystemClock()

    def issue(self, caller: Caller, *, lifetime: timedelta) -> str:
        """A token by which the edge knows the caller again, until `lifetime` has passed."""
        if not caller.subject:
            raise ValueError("a token needs a subject, such as user:42 or guest:7f")
        now = self._clock.now()
        claims = Claims(
            sub=caller.subject, aud=self._audience, roles=tuple(sorted(caller.roles)),
            iat=now.timestamp(), exp=(now + lifetime).timestamp(),
        )
        return jwt.encode(msgspec.to_builtins(claims), self._key, algorithm=ALGORITHM)

    def verify(self, token: str) -> Caller:
        """The caller whose token this is; NotAuthenticated where anything is wrong with it."""
        try:
            found = jwt.decode(token, self._key, [ALGORITHM], options=CHECKED_HERE, audience=self._audience)
            claims = msgspec.convert(found, Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError, RecursionError) as error:
            raise NotAuthenticated("the token is not one that this application issued: sign in again.") from error
        if claims.exp <= self._clock.now().timestamp():
            raise NotAuthenticated("the token has expired: sign in again.")
        return Caller(claims.sub, frozenset(claims.roles))

"""Tokens: who asks from outside, as a JSON Web Token (RFC 7519) that the application issues and the edge verifies."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import msgspec

from craton.calls.assertion import derive
from craton.calls.context import Caller
from craton.errors import NotAuthenticated
from craton.sources import Clock, SystemClock

HEADER = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}')
"""Of every token that is issued here, and so of every token that is verified: there is no algorithm to choose."""


class Claims(msgspec.Struct, frozen=True):
    """What a token says: whose it is, for which application, in which roles, and its times in seconds since 1970."""

    sub: str
    aud: str
    iat: float
    exp: float
    roles: tuple[str, ...] = ()


GUEST = "guest:"
"""How the subjects of guests begin: anybody gets as many as they like, so they say nothing about who asks."""
MAC = 16
"""Bytes of HMAC-SHA256 that signed texts keep, as RFC 2104 allows: an address is not to be long."""
CLAIMS = msgspec.json.Decoder(Claims)
FOREIGN = "the token is not one that this application issued: sign in again."


class Tokens:
    """Issues tokens, and verifies them. An implementation asks for it to sign users in, and to open guest sessions."""

    def __init__(self, secret: bytes, audience: str, *, clock: Clock | None = None) -> None:
        self._key, self._text_key = derive(secret, "token"), derive(secret, "signed text")
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
        signed = b"%b.%b" % (HEADER, urlsafe_b64encode(msgspec.json.encode(claims)).rstrip(b"="))
        return f"{signed.decode()}.{self._signature(signed).decode()}"

    def guest(self, name: str, *, lifetime: timedelta) -> str:
        """A token of somebody who has no account and no roles, under a name that nobody else has: whoever serves
        visitors may give them one, and asks nobody for it."""
        return self.issue(Caller(f"{GUEST}{name}"), lifetime=lifetime)

    def verify(self, token: str) -> Caller:
        """The caller whose token this is; NotAuthenticated where anything is wrong with it."""
        signed, _, signature = token.encode(errors="replace").rpartition(b".")
        header, _, body = signed.partition(b".")
        if header != HEADER or not hmac.compare_digest(signature, self._signature(signed)):
            raise NotAuthenticated(FOREIGN)
        try:
            claims = CLAIMS.decode(urlsafe_b64decode(body + b"=="))
        except (msgspec.MsgspecError, ValueError) as error:
            raise NotAuthenticated(FOREIGN) from error
        if claims.aud != self._audience:
            raise NotAuthenticated(FOREIGN)
        if claims.exp <= self._clock.now().timestamp():
            raise NotAuthenticated("the token has expired: sign in again.")
        return Caller(claims.sub, frozenset(claims.roles))

    def sign(self, text: str, *, until: datetime) -> str:
        """A text that nobody else can make, good `until` then: for addresses that are to expire. It is no token of
        anybody, can be read by everybody, and fits into a path. The same text until the same time is signed alike."""
        body = msgspec.json.encode((self._audience, int(until.timestamp()), text))
        mac = hmac.digest(self._text_key, body, "sha256")[:MAC]
        return urlsafe_b64encode(mac + body).rstrip(b"=").decode()

    def signed(self, text: str) -> tuple[str, datetime]:
        """What was signed, and until when it is good; NotAuthenticated where anything is wrong with it."""
        try:
            found = urlsafe_b64decode(text.encode() + b"==")
            mac, body = found[:MAC], found[MAC:]
            if not hmac.compare_digest(mac, hmac.digest(self._text_key, body, "sha256")[:MAC]):
                raise NotAuthenticated("this was not signed by this application.")
            audience, until, signed = msgspec.json.decode(body, type=tuple[str, int, str])
        except (msgspec.MsgspecError, ValueError) as error:
            raise NotAuthenticated("this was not signed by this application.") from error
        if audience != self._audience:
            raise NotAuthenticated("this was not signed by this application.")
        if until <= self._clock.now().timestamp():
            raise NotAuthenticated("what was signed has expired: ask for it anew.")
        return signed, datetime.fromtimestamp(until, UTC)

    def _signature(self, signed: bytes) -> bytes:
        return urlsafe_b64encode(hmac.digest(self._key, signed, "sha256")).rstrip(b"=")

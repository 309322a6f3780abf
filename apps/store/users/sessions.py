"""Sessions: each refresh token is good once, for the next one; whoever sends an old one ends its session."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from apps.store.users.contract import InvalidRefreshToken
from apps.store.users.settings import UserSettings
from apps.store.users.tables import sessions
from craton import Clock, Database, Ids

BY_ID = select(sessions).where(sessions.c.id == bindparam("wanted"))
INSERT = insert(sessions)
RENEW = update(sessions).where(sessions.c.id == bindparam("wanted")).values(
    token=bindparam("next"), before=bindparam("now"), renewed=bindparam("time"),
)
END = update(sessions).where(sessions.c.id == bindparam("wanted"), sessions.c.ended.is_(None)).values(
    ended=bindparam("time"),
)
CLEAN = delete(sessions).where(sessions.c.expires <= bindparam("time"))


@dataclass(frozen=True)
class Renewed:
    """A session that goes on: whose it is, and its next refresh token."""

    subject: str
    roles: tuple[str, ...]
    token: str


class Sessions:
    """The sessions of accounts. Called in commands only."""

    def __init__(self, db: Database, clock: Clock, ids: Ids, settings: UserSettings) -> None:
        self.db, self.clock, self.ids, self.settings = db, clock, ids, settings

    async def open(self, subject: str, roles: tuple[str, ...]) -> str:
        """A new session; its first refresh token. What has expired is forgotten."""
        now, secret = self.clock.now().timestamp(), secrets.token_urlsafe(32)
        await self.db.execute(CLEAN, {"time": now})
        row = dict(id=self.ids.new("session"), subject=subject, roles=" ".join(roles), salt=secrets.token_hex(16))
        kept = dict(token=hashed(secret), before="", renewed=now, expires=now + self.settings.session_lifetime)
        await self.db.execute(INSERT, {**row, **kept})
        return f"{row['id']}.{secret}"

    async def renew(self, token: str) -> Renewed:
        """The session of a refresh token, and its next token. The token that was used just before gives the same next
        one, for a moment: two windows of a browser may use it at once. InvalidRefreshToken for any other, and where it
        is an old one its session is ended: somebody has a copy."""
        id, _, secret = token.partition(".")
        row = (await self.db.execute(BY_ID, {"wanted": id})).mappings().first()
        now, given = self.clock.now().timestamp(), hashed(secret)
        if row is None or row["ended"] is not None or row["expires"] <= now:
            raise InvalidRefreshToken
        following = following_of(row["salt"], secret)
        if hmac.compare_digest(given, row["token"]):
            changed = {"wanted": id, "next": hashed(following), "now": given, "time": now}
            await self.db.execute(RENEW, changed)
        elif not (hmac.compare_digest(given, row["before"]) and now - row["renewed"] <= self.settings.grace):
            await self.db.execute(END, {"wanted": id, "time": now})
            raise InvalidRefreshToken
        return Renewed(row["subject"], tuple(row["roles"].split()), f"{id}.{following}")

    async def end(self, token: str) -> None:
        """End the session of a refresh token, an old one too. One that is not known has ended."""
        await self.db.execute(END, {"wanted": token.partition(".")[0], "time": self.clock.now().timestamp()})


def hashed(secret: Any) -> str:
    """What is stored of a token: it is long and made by chance, so it needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def following_of(salt: str, secret: str) -> str:
    """The token after this one: known only to those who know both the token and what is stored."""
    return hmac.new(bytes.fromhex(salt), secret.encode(), hashlib.sha256).hexdigest()

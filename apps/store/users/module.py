"""Accounts: registers people, and opens sessions for them and for guests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select

from apps.store.users.contract import (
    Email,
    EmailTaken,
    InvalidCredentials,
    PersonName,
    Session,
    User,
    UserRegistered,
    Users,
    WeakPassword,
)
from apps.store.users.passwords import LONGEST, SHORTEST, hashed, matches
from apps.store.users.settings import UserSettings
from apps.store.users.tables import accounts
from craton import Call, Caller, Clock, Database, Events, Ids, NotAuthenticated, Offload, Secret, Tokens

ADMIN = "user:admin"
"""The subject of the administrator, whose account stands in the settings and in no table."""
BY_EMAIL = select(accounts).where(accounts.c.email == bindparam("wanted"))
BY_ID = select(accounts).where(accounts.c.id == bindparam("wanted"))
INSERT = insert(accounts)


class Accounts(Users):
    """Accounts in the database, and one administrator in the settings."""

    def __init__(
        self, db: Database, events: Events, call: Call, clock: Clock, ids: Ids, tokens: Tokens, offload: Offload,
        settings: UserSettings,
    ) -> None:
        self.db, self.events, self.call, self.clock, self.ids = db, events, call, clock, ids
        self.tokens, self.offload, self.settings = tokens, offload, settings

    async def register(self, email: Email, password: Secret, name: PersonName = "") -> User:
        if not SHORTEST <= len(password.reveal()) <= LONGEST:
            raise WeakPassword(SHORTEST, LONGEST)
        kept = await self.offload(hashed, password.reveal(), cost=self.settings.scrypt_cost)
        address = email.lower()
        if address == self.settings.admin_email or (await self.db.execute(BY_EMAIL, {"wanted": address})).first():
            raise EmailTaken(email)
        row = dict(id=self.ids.new("user"), email=address, name=name, created=self.clock.now().timestamp())
        await self.db.execute(INSERT, {**row, "password": kept})
        user = user_of(row)
        await self.events.publish(UserRegistered(user.id, user.email))
        return user

    async def login(self, email: Email, password: Secret) -> Session:
        address = email.lower()
        found = (await self.db.execute(BY_EMAIL, {"wanted": address})).mappings().first()
        stored = found["password"] if found else None
        right = await self.offload(matches, password.reveal(), stored, cost=self.settings.scrypt_cost)
        if found and right:
            return self.session(user_of(found).subject, "user")
        if address == self.settings.admin_email and password.reveal() and password == self.settings.admin_password:
            return self.session(ADMIN, "user", "admin")
        raise InvalidCredentials

    async def guest(self) -> Session:
        return self.session(f"guest:{self.ids.new('guest')}")

    async def me(self) -> User:
        subject = self.call.caller.subject
        if subject == ADMIN:
            return User("admin", ADMIN, self.settings.admin_email, "Administrator", datetime.fromtimestamp(0, UTC))
        found = (await self.db.execute(BY_ID, {"wanted": subject.removeprefix("user:")})).mappings().first()
        if found is None:
            raise NotAuthenticated("this account is no more: sign in again.")
        return user_of(found)

    def session(self, subject: str, *roles: str) -> Session:
        """A token, and what it is good for."""
        lifetime = self.settings.user_lifetime if roles else self.settings.guest_lifetime
        token = self.tokens.issue(Caller(subject, frozenset(roles)), lifetime=timedelta(seconds=lifetime))
        return Session(Secret(token), subject, lifetime)


def user_of(row: Any) -> User:
    """An account as others see it."""
    created = datetime.fromtimestamp(row["created"], UTC)
    return User(row["id"], f"user:{row['id']}", row["email"], row["name"], created)

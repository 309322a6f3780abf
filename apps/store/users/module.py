"""Accounts: registers people, and opens sessions for them and for guests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import bindparam, delete, insert, or_, select, update

from apps.store.users.contract import (
    Email,
    EmailTaken,
    InvalidCredentials,
    PersonName,
    Session,
    TooManyTries,
    User,
    UserRegistered,
    Users,
    WeakPassword,
)
from apps.store.users.passwords import LONGEST, SHORTEST, Passwords
from apps.store.users.sessions import Sessions
from apps.store.users.settings import UserSettings
from apps.store.users.tables import accounts, failures
from craton import Call, Caller, Clock, Database, Events, Ids, NotAuthenticated, Offload, Secret, Tokens

ADMIN = "user:admin"
"""The subject of the administrator, whose account stands in the settings and in no table."""
BY_EMAIL = select(accounts).where(accounts.c.email == bindparam("wanted"))
BY_ID = select(accounts).where(accounts.c.id == bindparam("wanted"))
INSERT = insert(accounts)
REHASH = update(accounts).where(accounts.c.id == bindparam("wanted")).values(password=bindparam("kept"))
FAILED = select(failures).where(failures.c.email == bindparam("wanted"))
COUNT = update(failures).where(failures.c.email == bindparam("wanted")).values(
    count=bindparam("failed"), until=bindparam("time"),
)
BEGIN_COUNT = insert(failures)
FORGET = delete(failures).where(or_(failures.c.email == bindparam("wanted"), failures.c.until < bindparam("old")))
LONGEST_WAIT = 15 * 60
DAY = 24 * 3600


class Accounts(Users):
    """Accounts in the database, and one administrator in the settings."""

    def __init__(
        self, db: Database, events: Events, call: Call, clock: Clock, ids: Ids, tokens: Tokens, offload: Offload,
        settings: UserSettings,
    ) -> None:
        self.db, self.events, self.call, self.clock, self.ids = db, events, call, clock, ids
        self.tokens, self.offload, self.settings = tokens, offload, settings
        self.passwords = Passwords(memory=settings.argon2_memory, passes=settings.argon2_passes)
        self.sessions = Sessions(db, clock, ids, settings)

    async def register(self, email: Email, password: Secret, name: PersonName = "") -> User:
        if not SHORTEST <= len(password.reveal()) <= LONGEST:
            raise WeakPassword(SHORTEST, LONGEST)
        kept = await self.offload(self.passwords.hashed, password.reveal())
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
        await self.check_tries(address, self.db.read)
        found = (await self.db.read(BY_EMAIL, {"wanted": address})).mappings().first()
        stored, given = found["password"] if found else None, password.reveal()
        right = await self.offload(self.passwords.matches, given, stored)
        await self.check_tries(address, self.db.execute)  # of many tries at once only the first are told what is right
        if found and right:
            if self.passwords.is_dated(found["password"]):
                kept = await self.offload(self.passwords.hashed, given)
                await self.db.execute(REHASH, {"wanted": found["id"], "kept": kept})
            return await self.open(address, user_of(found).subject, "user")
        if address == self.settings.admin_email and given and password == self.settings.admin_password:
            return await self.open(address, ADMIN, "user", "admin")
        await self.count_failure(address)
        raise InvalidCredentials

    async def refresh(self, token: Secret) -> Session:
        found = await self.sessions.renew(token.reveal())
        return self.session(found.subject, found.roles, refresh=found.token)

    async def logout(self, token: Secret) -> None:
        await self.sessions.end(token.reveal())

    async def guest(self) -> Session:
        name, lifetime = self.ids.new("guest"), self.settings.guest_lifetime
        token = self.tokens.guest(name, lifetime=timedelta(seconds=lifetime))
        return Session(Secret(token), f"guest:{name}", lifetime)

    async def me(self) -> User:
        subject = self.call.caller.subject
        if subject == ADMIN:
            return User("admin", ADMIN, self.settings.admin_email, "Administrator", datetime.fromtimestamp(0, UTC))
        found = (await self.db.execute(BY_ID, {"wanted": subject.removeprefix("user:")})).mappings().first()
        if found is None:
            raise NotAuthenticated("this account is no more: sign in again.")
        return user_of(found)

    async def check_tries(self, address: str, look: Callable[..., Awaitable[Any]]) -> None:
        """TooManyTries where an account has to wait."""
        failed = (await look(FAILED, {"wanted": address})).mappings().first()
        left = failed["until"] - self.clock.now().timestamp() if failed else 0
        if left > 0:
            raise TooManyTries(ceil(left))

    async def count_failure(self, address: str) -> None:
        """Remember a wrong password. After a few the account has to wait, each time twice as long."""
        failed = (await self.db.execute(FAILED, {"wanted": address})).mappings().first()
        count, now = failed["count"] + 1 if failed else 1, self.clock.now().timestamp()
        over = count - self.settings.tries
        until = now + min(LONGEST_WAIT, 2.0 ** min(over, 20)) if over >= 0 else now
        if failed:
            await self.db.execute(COUNT, {"wanted": address, "failed": count, "time": until})
        else:
            await self.db.execute(BEGIN_COUNT, {"email": address, "count": count, "until": until})

    async def open(self, address: str, subject: str, *roles: str) -> Session:
        """A session, now that somebody has shown who they are."""
        old = self.clock.now().timestamp() - DAY
        await self.db.execute(FORGET, {"wanted": address, "old": old})
        return self.session(subject, roles, refresh=await self.sessions.open(subject, roles))

    def session(self, subject: str, roles: tuple[str, ...], *, refresh: str) -> Session:
        """A token of an account, and what it is good for."""
        lifetime = self.settings.user_lifetime
        token = self.tokens.issue(Caller(subject, frozenset(roles)), lifetime=timedelta(seconds=lifetime))
        return Session(Secret(token), subject, lifetime, Secret(refresh))


def user_of(row: Any) -> User:
    """An account as others see it."""
    created = datetime.fromtimestamp(row["created"], UTC)
    return User(row["id"], f"user:{row['id']}", row["email"], row["name"], created)

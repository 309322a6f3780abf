"""Sessions go on by refresh tokens that are good once; a stolen one ends them. Passwords are hashed, guessed slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import scrypt
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from apps.store.users.contract import InvalidCredentials, InvalidRefreshToken, Session, TooManyTries, Users
from apps.store.users.passwords import Passwords
from apps.store.users.settings import UserSettings
from craton import Application, Caller, Module, Secret
from craton.testing.start import calling, start, user

accounts = Application("accounts", [Module(
    "users", Users, "apps.store.users.module:Accounts", settings=UserSettings,
    tables="apps.store.users.tables:metadata", migrations="apps.store.users.migrations",
)])
ANN, PASSWORD = "ann@shop.example", Secret("correct horse")
CHEAP = {"CRATON_USERS_ARGON2_MEMORY": "64", "CRATON_USERS_TRIES": "2"}


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Accounts:
    """The users module alone, with an account of Ann's."""

    def __init__(self, running: Any, clock: Clock, folder: Path) -> None:
        self.running, self.users, self.clock = running, running.get(Users), clock
        self.engine = create_engine(f"sqlite:///{folder / 'accounts.db'}")

    async def sign_in(self, password: Secret = PASSWORD) -> Session:
        found: Session = await self.users.login(ANN, password)
        return found

    async def refresh(self, session: Session) -> Session:
        assert session.refresh
        found: Session = await self.users.refresh(session.refresh)
        return found

    def rows(self, statement: str) -> list[Any]:
        """What another program finds in the database."""
        with self.engine.begin() as connection:
            found = connection.execute(text(statement))
            return list(found) if found.returns_rows else []


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Accounts]:
    async with opened(tmp_path) as made:
        yield made


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Accounts]:
    clock = Clock()
    async with start(accounts, data=folder, clock=clock, environ=CHEAP) as running:
        made = Accounts(running, clock, folder)
        await made.users.register(ANN, PASSWORD)
        yield made
        made.engine.dispose()


async def test_a_refresh_token_gives_a_new_token_and_the_next_refresh_token(here: Accounts) -> None:
    session = await here.sign_in()
    assert session.lifetime == 900
    for _ in range(3):
        here.clock.forward(800)
        following = await here.refresh(session)
        assert following.refresh != session.refresh and following.token != session.token
        assert here.running.door.tokens.verify(following.token.reveal()) == Caller(session.subject, frozenset({"user"}))
        session = following
    here.clock.forward(901)
    with pytest.raises(Exception, match="expired"):
        here.running.door.tokens.verify(session.token.reveal())


async def test_an_old_refresh_token_ends_the_session_for_whoever_has_it(here: Accounts) -> None:
    stolen = await here.sign_in()
    thief = await here.refresh(stolen)
    here.clock.forward(60)
    for token in (stolen, thief, stolen):
        with pytest.raises(InvalidRefreshToken):
            await here.refresh(token)
    other = await here.sign_in()
    assert (await here.refresh(other)).subject == stolen.subject  # other sessions go on


async def test_an_answer_that_was_lost_is_given_again_for_a_moment(here: Accounts) -> None:
    session = await here.sign_in()
    here.clock.forward(800)
    answers = await asyncio.gather(*(here.refresh(session) for _ in range(5)))
    assert len({answer.refresh for answer in answers}) == 1
    assert await here.refresh(answers[0])


@pytest.mark.parametrize("token", ["", ".", "nothing", "session-1.guess", "é.ß", "x" * 10_000])
async def test_what_is_no_refresh_token_is_refused(here: Accounts, token: str) -> None:
    with pytest.raises(InvalidRefreshToken):
        await here.users.refresh(Secret(token))


async def test_a_session_ends_when_its_owner_says_so_and_when_its_time_is_over(here: Accounts) -> None:
    session, other = await here.sign_in(), await here.sign_in()
    assert session.refresh
    await here.users.logout(session.refresh)
    await here.users.logout(session.refresh)
    with pytest.raises(InvalidRefreshToken):
        await here.refresh(session)
    here.clock.forward(30 * 24 * 3600)
    with pytest.raises(InvalidRefreshToken):
        await here.refresh(other)
    await here.sign_in()
    assert len(here.rows("SELECT * FROM users_sessions")) == 1  # what has expired is forgotten


async def test_nothing_that_is_stored_lets_anybody_in(here: Accounts) -> None:
    session = await here.sign_in()
    assert session.refresh
    stored = str([here.rows(f"SELECT * FROM {table}") for table in ("users_sessions", "users_accounts", "users_inbox")])
    assert "$argon2id$" in stored
    for secret in (PASSWORD.reveal(), session.refresh.reveal().partition(".")[2], session.token.reveal()):
        assert secret not in stored


async def test_a_password_that_was_hashed_by_scrypt_is_hashed_anew_at_the_next_sign_in(here: Accounts) -> None:
    salt = bytes(16)
    old = scrypt(PASSWORD.reveal().encode(), salt=salt, n=2**14, r=8, p=1, maxmem=1 << 26)
    here.rows(f"UPDATE users_accounts SET password = 'scrypt$1${salt.hex()}${old.hex()}'")
    with pytest.raises(InvalidCredentials):
        await here.sign_in(Secret("another"))
    assert here.rows("SELECT password FROM users_accounts")[0][0].startswith("scrypt$")
    await here.sign_in()
    assert here.rows("SELECT password FROM users_accounts")[0][0].startswith("$argon2id$")
    await here.sign_in()


def test_a_password_is_hashed_anew_when_the_cost_is_raised() -> None:
    cheap, dear = Passwords(memory=64, passes=1), Passwords(memory=128, passes=1)
    kept = cheap.hashed("correct horse")
    assert dear.matches("correct horse", kept)
    assert not dear.matches("another", kept) and not dear.matches("x", "nonsense")
    assert dear.is_dated(kept) and not cheap.is_dated(kept)


async def test_after_wrong_passwords_an_account_waits_longer_and_longer(here: Accounts) -> None:
    waits = []
    for tries in (2, 1, 1, 1):
        for _ in range(tries):
            with pytest.raises(InvalidCredentials):
                await here.sign_in(Secret("wrong"))
        with pytest.raises(TooManyTries) as told:
            await here.sign_in()
        waits.append(told.value.retry_after)
        here.clock.forward(told.value.retry_after)
    assert waits == [1, 2, 4, 8]
    await here.sign_in()
    with pytest.raises(InvalidCredentials):
        await here.sign_in(Secret("wrong"))
    await here.sign_in()  # the right one began anew


async def test_of_many_tries_at_once_only_the_first_are_told_what_is_right(here: Accounts) -> None:
    tries = [here.sign_in(Secret(f"wrong {n}")) for n in range(9)]
    told = [type(answer) for answer in await asyncio.gather(*tries, return_exceptions=True)]
    assert (told.count(InvalidCredentials), told.count(TooManyTries)) == (2, 7)


async def test_over_http_wrong_passwords_are_problems_that_say_how_long_to_wait(here: Accounts) -> None:
    body = {"email": ANN, "password": "wrong"}
    transport = httpx.ASGITransport(here.running.edge)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge") as http:
        answers = [await http.post("/sessions", json=body) for _ in range(3)]
        here.clock.forward(60)
        right = await http.post("/sessions", json=body | {"password": PASSWORD.reveal()})
        again = await http.post("/sessions/refresh", json={"token": right.json()["refresh"]})
        me = await http.get("/users/me", headers={"Authorization": f"Bearer {again.json()['token']}"})
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[2].headers["retry-after"] == str(answers[2].json()["retry_after"])
    assert "www-authenticate" in answers[0].headers
    assert (right.status_code, again.status_code, me.json()["email"]) == (201, 201, ANN)


async def test_a_guest_has_no_session_to_renew(here: Accounts) -> None:
    with calling(caller=user("nobody")):
        assert (await here.users.guest()).refresh is None

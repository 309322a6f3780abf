"""A token is believed only where this application issued it, and only until it expires."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craton.calls.assertion import Signer, derive
from craton.calls.context import NOBODY, Caller
from craton.edge.authentication import Tokens
from craton.errors import NotAuthenticated

SECRET = b"a secret of enough characters"
ANN = Caller("user:ann", frozenset({"user", "admin"}))
HOUR = timedelta(hours=1)


class StoppedClock:
    """A clock that shows what it was set to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


def test_a_token_gives_back_the_caller_until_it_expires() -> None:
    clock = StoppedClock()
    tokens = Tokens(SECRET, "store", clock=clock)
    token = tokens.issue(ANN, lifetime=HOUR)
    clock.time += HOUR - timedelta(seconds=1)
    assert tokens.verify(token) == ANN
    clock.time += timedelta(seconds=1)
    with pytest.raises(NotAuthenticated, match="expired"):
        tokens.verify(token)


def test_any_process_with_the_secret_verifies_the_token() -> None:
    assert Tokens(SECRET, "store").verify(Tokens(SECRET, "store").issue(ANN, lifetime=HOUR)) == ANN


@pytest.mark.parametrize("other", [Tokens(SECRET, "library"), Tokens(b"another secret, long enough", "store")])
def test_a_token_of_another_application_or_secret_is_refused(other: Tokens) -> None:
    with pytest.raises(NotAuthenticated, match="not one that this application issued"):
        Tokens(SECRET, "store").verify(other.issue(ANN, lifetime=HOUR))


def forged(key: bytes | str, algorithm: str | None, **changes: object) -> str:
    claims = {"sub": "user:eve", "aud": "store", "iat": 0, "exp": 1e11, "roles": ["admin"]} | changes
    return jwt.encode({n: v for n, v in claims.items() if v is not None}, key, algorithm=algorithm)


@pytest.mark.parametrize(
    "token",
    [
        forged("", None),
        forged(SECRET.ljust(32), "HS256"),
        forged(derive(SECRET, "assertion"), "HS256"),
        forged(derive(SECRET, "token").ljust(64), "HS512"),
        forged(derive(SECRET, "token"), "HS256", sub=None),
        forged(derive(SECRET, "token"), "HS256", exp=None),
        forged(derive(SECRET, "token"), "HS256", aud=None),
        forged(derive(SECRET, "token"), "HS256", roles="admin"),
        Signer(SECRET).sign(ANN, now=0).hex(),
    ],
)
def test_a_forged_token_is_refused(token: str) -> None:
    with pytest.raises(NotAuthenticated):
        Tokens(SECRET, "store").verify(token)


def test_a_guest_is_known_again_and_has_no_roles() -> None:
    clock = StoppedClock()
    tokens = Tokens(SECRET, "store", clock=clock)
    token = tokens.guest("7f", lifetime=HOUR)
    assert tokens.verify(token) == Caller("guest:7f")
    clock.time += HOUR
    with pytest.raises(NotAuthenticated, match="expired"):
        tokens.verify(token)


def test_a_signed_text_is_good_until_its_time_and_is_nobodys_token() -> None:
    clock = StoppedClock()
    tokens, until = Tokens(SECRET, "store", clock=clock), clock.time + HOUR
    text = tokens.sign("films/é", until=until)
    assert text == tokens.sign("films/é", until=until) and tokens.signed(text) == ("films/é", until)
    assert set(text) <= set(string.ascii_letters + string.digits + "-_")
    with pytest.raises(NotAuthenticated):
        tokens.verify(text)
    with pytest.raises(NotAuthenticated):
        tokens.signed(tokens.issue(ANN, lifetime=HOUR))
    clock.time = until
    with pytest.raises(NotAuthenticated, match="expired"):
        tokens.signed(text)


@pytest.mark.parametrize("other", [Tokens(SECRET, "library"), Tokens(b"another secret, long enough", "store")])
def test_a_text_that_another_application_or_secret_signed_is_refused(other: Tokens) -> None:
    with pytest.raises(NotAuthenticated, match="not signed by this application"):
        Tokens(SECRET, "store").signed(other.sign("films", until=datetime(2999, 1, 1, tzinfo=UTC)))


@given(st.text() | st.text("abcXYZ09-_", min_size=20, max_size=60))
def test_whatever_is_no_signed_text_is_refused_politely(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        Tokens(SECRET, "store").signed(text)


def test_no_letter_of_a_signed_text_can_be_changed() -> None:
    tokens = Tokens(SECRET, "store")
    text = tokens.sign("films/1", until=datetime(2999, 1, 1, tzinfo=UTC))
    for place in range(len(text) - 1):  # of the last one, some bits say nothing
        with pytest.raises(NotAuthenticated):
            tokens.signed(text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1:])


HEADER = "eyJhbGciOiJIUzI1NiJ9."


@given(st.text() | st.text("abcXYZ09-_.", max_size=60) | st.text("eyJ09-_.").map(lambda rest: HEADER + rest))
def test_no_text_breaks_the_verification(token: str) -> None:
    with pytest.raises(NotAuthenticated):
        Tokens(SECRET, "store").verify(token)


def test_nobody_gets_no_token() -> None:
    with pytest.raises(ValueError, match="a token needs a subject"):
        Tokens(SECRET, "store").issue(NOBODY, lifetime=HOUR)

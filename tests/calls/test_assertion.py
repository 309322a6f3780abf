"""What one service tells another of the caller can be neither forged nor kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craton.calls.assertion import KEPT, LIFETIME, Signer, derive
from craton.calls.context import NOBODY, Caller
from craton.errors import NotAuthenticated, SettingsError

SECRET = b"a secret of enough characters"
ANN = Caller("user:ann", frozenset({"user", "admin"}))
SIGNER = Signer(SECRET)


@pytest.mark.parametrize("caller", [ANN, NOBODY, Caller("guest:ünï")])
def test_a_caller_is_believed_until_the_assertion_expires(caller: Caller) -> None:
    data = SIGNER.sign(caller, now=1000.0, lifetime=60)
    assert Signer(SECRET).verify(data, now=1059.9) == caller
    with pytest.raises(NotAuthenticated, match="expired"):
        SIGNER.verify(data, now=1060.0)


@given(st.integers(0), st.integers(1, 255))
def test_an_assertion_with_one_byte_changed_is_refused(position: int, change: int) -> None:
    data = bytearray(SIGNER.sign(ANN, now=0.0))
    data[position % len(data)] ^= change
    with pytest.raises(NotAuthenticated):
        SIGNER.verify(bytes(data), now=1.0)


@given(st.binary())
def test_bytes_that_nobody_signed_are_refused(data: bytes) -> None:
    with pytest.raises(NotAuthenticated):
        SIGNER.verify(data, now=0.0)


def test_an_assertion_signed_with_another_secret_is_refused() -> None:
    with pytest.raises(NotAuthenticated):
        SIGNER.verify(Signer(b"another secret, long enough").sign(ANN, now=0.0), now=1.0)


def test_keys_for_different_purposes_differ_and_a_short_secret_is_refused() -> None:
    assert derive(SECRET, "assertion") != derive(SECRET, "token")
    with pytest.raises(SettingsError, match="CRATON_SECRET has 5 characters"):
        Signer(b"short")


def test_a_signature_is_used_again_while_it_can_be_believed_for_long_enough() -> None:
    signer = Signer(SECRET)
    first = signer.assertion(ANN, now=1000.0)
    assert signer.assertion(ANN, now=1000.0 + LIFETIME / 2 - 1) is first
    assert signer.verify(signer.assertion(ANN, now=1000.0 + LIFETIME), now=1000.0 + 1.4 * LIFETIME) == ANN


def test_a_verified_assertion_is_believed_no_longer_than_it_says_and_what_is_remembered_is_bounded() -> None:
    signer, data = Signer(SECRET), SIGNER.sign(ANN, now=1000.0)
    assert signer.verify(data, now=1001.0) == signer.verify(data, now=1002.0) == ANN
    with pytest.raises(NotAuthenticated, match="expired"):
        signer.verify(data, now=1000.0 + LIFETIME)
    for n in range(KEPT + 100):
        signer.verify(signer.assertion(Caller(f"user:{n}"), now=1000.0), now=1001.0)
    assert len(signer._signed) == len(signer._verified) == KEPT
    assert signer.verify(data, now=1003.0) == ANN  # forgotten, and read again

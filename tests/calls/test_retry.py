"""Retries: only where they are safe, within the deadline, and never more than a share of the calls."""

from __future__ import annotations

from typing import Protocol

import pytest

from craton import CallError, Failed, NotRun, query
from craton.calls import codec
from craton.calls.assertion import Signer
from craton.calls.link import Replies, Reply, Request
from craton.calls.receiver import reply_error
from craton.calls.retry import Backoff, Budget
from craton.calls.stub import Remote, stub_of
from craton.contract import Method
from craton.sources import SystemClock, SystemIds
from craton.testing.start import SECRET, calling


class Lights(Protocol):
    @query
    async def lit(self) -> int: ...


class Flickering:
    """A link whose first requests end in an error."""

    def __init__(self, error: CallError, times: int) -> None:
        self.error, self.times, self.asked = error, times, 0

    async def send(self, request: Request) -> Reply:
        self.asked += 1
        return reply_error(self.error) if self.asked <= self.times else Reply("ok", codec.encode(7))

    def stream(self, request: Request) -> Replies:
        raise NotImplementedError("nothing streams here")

    async def close(self) -> None:
        """Nothing is held."""


def lights(link: Flickering, budget: Budget | None = None) -> Lights:
    """The module at the other end of a link."""
    signer, clock, ids, kept = Signer(SECRET), SystemClock(), SystemIds(), budget or Budget()

    def connect(name: str, method: Method) -> Remote:
        return Remote(name, method, link=link, signer=signer, clock=clock, ids=ids, budget=kept)

    made: Lights = stub_of(Lights, "lights", connect)
    return made


async def test_what_did_not_run_is_asked_again_within_the_deadline() -> None:
    assert await lights(link := Flickering(NotRun("nobody is there"), times=2)).lit() == 7
    assert link.asked == 3


async def test_nothing_is_asked_again_when_the_deadline_would_have_passed() -> None:
    link = Flickering(NotRun("nobody is there"), times=1)
    with calling(timeout=0.01), pytest.raises(NotRun):
        await lights(link).lit()
    assert link.asked == 1


async def test_what_broke_is_not_asked_again() -> None:
    link = Flickering(Failed("lights.lit", "a bug"), times=1)
    with pytest.raises(Failed):
        await lights(link).lit()
    assert link.asked == 1


async def test_retries_are_a_fifth_of_the_calls_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "pause", lambda self: 0.0)
    link, calls = Flickering(NotRun("all is down"), times=100_000), 500
    module = lights(link, budget := Budget())
    saved = budget.left
    for _ in range(calls):
        with pytest.raises(NotRun):
            await module.lit()
    assert link.asked <= calls + saved + calls / 5

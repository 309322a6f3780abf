"""Replicas over rpc: one that fails or is slow is set aside, never too many, and retries do not multiply an outage."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest

from craton.calls.assertion import Signer
from craton.calls.link import Reply, Request
from craton.calls.links.rpc import RpcLink, RpcServer, health
from craton.calls.receiver import reply_error
from craton.calls.retry import Budget
from craton.calls.stub import Remote
from craton.contract import methods_of, query
from craton.errors import CallError, NotRun, OutcomeUnknown
from craton.sources import SystemClock, SystemIds

SECRET = b"known to both sides of each test"
CALL = Request("shop.echo", b"", timeout=5)


class Replica:
    """A server that answers as it is told, and counts."""

    def __init__(self) -> None:
        self.asked, self.reply, self.seconds = 0, Reply("ok"), 0.0

    async def __call__(self, request: Request) -> Reply:
        """Answer."""
        self.asked += 1
        if self.seconds:
            await asyncio.sleep(self.seconds)
        return self.reply


@asynccontextmanager
async def replicas(tmp_path: Path, count: int) -> AsyncIterator[tuple[RpcLink, list[Replica]]]:
    """Servers, and a link to all of them."""
    made = [Replica() for _ in range(count)]
    async with AsyncExitStack() as stack:
        places = [f"unix:{tmp_path}/{n}.sock" for n in range(count)]
        for replica, place in zip(made, places, strict=True):
            await stack.enter_async_context(RpcServer(replica, place, secret=SECRET, drain=0))
        link = RpcLink(places, secret=SECRET, needs=frozenset({"shop"}), random=random.Random(1))
        stack.push_async_callback(link.close)
        yield link, made


async def ask(link: RpcLink, times: int, *, timeout: float = 5) -> None:  # noqa: ASYNC109  # it travels in the request
    """Calls, one after the other."""
    for _ in range(times):
        with suppress(CallError):
            await link.send(Request("shop.echo", b"", timeout=timeout))


async def test_a_replica_whose_calls_fail_is_set_aside_and_asked_again_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:
    async with replicas(tmp_path, 2) as (link, (bad, good)):
        bad.reply = Reply("failed")
        await ask(link, 60)
        assert bad.asked == health.FAILURES and good.asked == 60 - bad.asked
        assert any("0.sock is set aside for" in m and "5 calls in a row failed" in m for m in caplog.messages)
        link.replicas[0].health.until = 0  # its pause is over
        await ask(link, 60)
        assert bad.asked == health.FAILURES + 1  # one more was enough
        assert link.replicas[0].health.ejections == 2
        bad.reply = Reply("ok")
        link.replicas[0].health.until = 0
        await ask(link, 60)
        assert bad.asked > health.FAILURES + 10


async def test_a_replica_that_answers_nothing_in_time_is_set_aside(tmp_path: Path) -> None:
    async with replicas(tmp_path, 2) as (link, (stuck, _)):
        await ask(link, 10)
        stuck.seconds, before = 60, stuck.asked
        await asyncio.gather(*(ask(link, 1, timeout=0.2) for _ in range(20)))
        assert stuck.asked >= before + health.FAILURES
        later = stuck.asked
        await ask(link, 20)
        assert stuck.asked == later and link.replicas[0].health.until


async def test_a_caller_that_gives_up_at_the_deadline_counts_as_one_that_got_no_answer(tmp_path: Path) -> None:
    async with replicas(tmp_path, 2) as (link, (stuck, _)):
        await ask(link, 10)
        stuck.seconds = 60

        async def patient() -> None:
            with suppress(TimeoutError, CallError):
                async with asyncio.timeout(0.2):
                    await link.send(Request("shop.echo", b"", timeout=0.2))

        await asyncio.gather(*(patient() for _ in range(20)))
        assert link.replicas[0].health.until


async def test_a_caller_that_gives_up_early_says_nothing_of_the_replica(tmp_path: Path) -> None:
    async with replicas(tmp_path, 2) as (link, (slow, _)):
        await ask(link, 10)
        slow.seconds = 60
        calls = [asyncio.ensure_future(link.send(Request("shop.echo", b"", timeout=60))) for _ in range(20)]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert not link.replicas[0].health.until and not link.replicas[0].health.failures


@pytest.mark.parametrize(("seconds", "other", "aside"), [(2.0, 0.1, True), (2.0, 1.0, False), (0.05, 0.001, False)])
async def test_a_replica_that_is_far_slower_than_the_others_and_slow_at_all_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seconds: float, other: float, aside: bool,
) -> None:
    async with replicas(tmp_path, 2) as (link, _):
        first, second = link.replicas
        for _ in range(health.SAMPLE):
            second.health.answered(Reply("ok"), other)
        compared = [first.health.answered(Reply("ok"), seconds) for _ in range(health.SAMPLE)]
        assert compared == [False] * (health.SAMPLE - 1) + [True]
        link.judge(first)
        assert bool(first.health.until) is aside
        assert any("it takes 2 s, others 0.1 s" in message for message in caplog.messages) is aside


@pytest.mark.parametrize("count", [2, 3, 4, 5])
async def test_never_more_than_half_of_the_replicas_are_set_aside(tmp_path: Path, count: int) -> None:
    async with replicas(tmp_path, count) as (link, made):
        for replica in made:
            replica.reply = Reply("failed")
        await ask(link, 100)
        assert sum(replica.health.until > 0 for replica in link.replicas) == count // 2


async def test_a_replica_that_is_alone_is_never_set_aside(tmp_path: Path) -> None:
    async with replicas(tmp_path, 1) as (link, (bad,)):
        bad.reply = Reply("failed")
        await ask(link, 50)
        assert bad.asked == 50


async def test_one_that_was_set_aside_is_better_than_nobody(tmp_path: Path) -> None:
    async with RpcServer(Replica(), f"unix:{tmp_path}/here.sock", secret=SECRET) as server:
        link = RpcLink([server.address, f"unix:{tmp_path}/gone.sock"], secret=SECRET, needs=frozenset({"shop"}))
        link.replicas[0].health.until = asyncio.get_running_loop().time() + 60
        for _ in range(5):
            assert (await link.send(CALL)).status == "ok"
        await link.close()


async def test_replicas_that_cannot_be_reached_are_tried_again_at_different_times(tmp_path: Path) -> None:
    link = RpcLink([f"unix:{tmp_path}/{n}.sock" for n in range(40)], secret=SECRET)
    with pytest.raises(NotRun):
        await link.send(CALL)
    now = asyncio.get_running_loop().time()
    pauses = sorted(replica.aside_until - now for replica in link.replicas)
    assert pauses[-1] - pauses[0] > 0.01
    await link.close()


class Shop(Protocol):
    @query
    async def lit(self) -> bool: ...


@pytest.mark.parametrize("reachable", [True, False])
async def test_when_all_fails_retries_are_a_fifth_of_the_calls_and_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reachable: bool,
) -> None:
    monkeypatch.setattr("craton.calls.retry.Backoff.pause", lambda self: 0.0)
    asked = 0

    class Counting(RpcLink):
        async def send(self, request: Request) -> Reply:
            nonlocal asked
            asked += 1
            return await super().send(request)

    async with replicas(tmp_path, 2) as (link, made):
        for replica in made:
            replica.reply = reply_error(OutcomeUnknown("it broke"))
        places = [str(replica.address) for replica in link.replicas] if reachable else [f"unix:{tmp_path}/none"]
        counting, method = Counting(places, secret=SECRET, needs=frozenset({"shop"})), methods_of(Shop)["lit"]
        remote = Remote(
            "shop.lit", method, link=counting, signer=Signer(SECRET), clock=SystemClock(), ids=SystemIds(),
            budget=Budget(),
        )
        for _ in range(300):
            with pytest.raises((NotRun, OutcomeUnknown)):
                await remote.insist(method.bind((), {}), key=None)
        await counting.close()
    assert 300 < asked <= 300 * 1.2 + 20
    assert not reachable or sum(replica.asked for replica in made) == asked

"""rpc between a server and a link: answers, deadlines, cancellation, many at once, and who may ask what."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from craton.calls.link import Reply, Request
from craton.calls.links.rpc import RpcLink, RpcServer
from craton.calls.receiver import error_of
from craton.errors import Failed, NotAllowed, NotRun, OutcomeUnknown
from tests.until import until

SECRET = b"known to both sides of each test"
NEEDS = frozenset({"shop"})


class Shop:
    """A handler that remembers what it saw, so that tests can ask what really happened on the other side."""

    def __init__(self) -> None:
        self.began, self.cancelled, self.finished = 0, 0, 0
        self.last: Request | None = None
        self.open = asyncio.Event()

    async def __call__(self, request: Request) -> Reply:
        """`echo` answers with its body, `wait` when `open` is set, `large` with a megabyte, `break` with a bug."""
        self.began, self.last = self.began + 1, request
        try:
            if request.method == "shop.wait":
                await self.open.wait()
            if request.method == "shop.break":
                raise ValueError("a bug")
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.finished += 1
        return Reply("ok", b"x" * 2**20 if request.method == "shop.large" else request.body)


@pytest.fixture(params=["unix", "tcp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a server listens."""
    return f"unix:{tmp_path}/shop.sock" if request.param == "unix" else "tcp:127.0.0.1:0"


@asynccontextmanager
async def linked(
    place: str, shop: Shop, *, link: dict[str, Any] | None = None, **options: Any,
) -> AsyncIterator[RpcLink]:
    """A server, and a link to it."""
    async with RpcServer(shop, place, secret=SECRET, service="shop", **options) as server:
        made = RpcLink([server.address], **{"secret": SECRET, "service": "web", "needs": NEEDS} | (link or {}))
        try:
            yield made
        finally:
            await made.close()


async def test_a_request_arrives_whole_and_so_does_its_answer(place: str) -> None:
    shop = Shop()
    async with linked(place, shop) as link:
        sent = Request("shop.echo", b"\x00\xff", key="k", undoes="u", timeout=9, caller=b"signed", trace="00-1")
        assert await link.send(sent) == Reply("ok", b"\x00\xff")
    assert shop.last is not None
    assert (shop.last.key, shop.last.undoes, shop.last.caller, shop.last.trace) == ("k", "u", b"signed", "00-1")
    assert shop.last.timeout is not None and 8 < shop.last.timeout <= 9


async def test_a_thousand_calls_share_one_connection_and_each_gets_its_own_answer(place: str) -> None:
    async with RpcServer(Shop(), place, secret=SECRET) as server:
        link = RpcLink([server.address], secret=SECRET, needs=NEEDS)
        bodies = [str(n).encode() * (n % 50) for n in range(1000)]
        replies = await asyncio.gather(*(link.send(Request("shop.echo", body, timeout=20)) for body in bodies))
        assert [reply.body for reply in replies] == bodies
        assert len(server.connections) == 1
        await link.close()


async def test_a_slow_call_does_not_hold_up_the_next(place: str) -> None:
    shop = Shop()
    async with linked(place, shop) as link:
        slow = asyncio.create_task(link.send(Request("shop.wait", b"slow")))
        await until(lambda: shop.began == 1)
        assert (await link.send(Request("shop.echo", b"quick"))).body == b"quick"
        assert not slow.done()
        shop.open.set()
        assert (await slow).body == b"slow"


async def test_the_deadline_stops_the_handler_and_the_caller_knows_that_it_may_have_run(place: str) -> None:
    shop = Shop()
    async with linked(place, shop) as link:
        began = time.monotonic()
        try:
            reply = await link.send(Request("shop.wait", b"", timeout=0.1))
            raise error_of(reply)  # the server's word came first
        except OutcomeUnknown as error:
            assert "deadline" in str(error)
        assert 0.09 < time.monotonic() - began < 2
        await until(lambda: shop.cancelled == 1)
        assert shop.finished == 0


async def test_the_server_keeps_the_deadline_even_when_the_client_does_not() -> None:
    shop = Shop()
    async with RpcServer(shop, "tcp:127.0.0.1:0", secret=SECRET) as server:
        link = RpcLink([server.address], secret=SECRET, needs=NEEDS)
        await link.send(Request("shop.echo", b""))
        connection = link.replicas[0].ready()
        assert connection is not None
        connection.late = lambda *_: None  # type: ignore[method-assign]  # a client whose own timer never fires
        reply = await connection.ask(Request("shop.wait", b""), asyncio.get_running_loop().time() + 0.1)
        assert reply.status == "unknown" and isinstance(error_of(reply), OutcomeUnknown)
        assert shop.cancelled == 1
        await link.close()


async def test_a_caller_that_is_cancelled_cancels_the_handler_on_the_other_side(place: str) -> None:
    shop = Shop()
    async with linked(place, shop) as link:
        call = asyncio.create_task(link.send(Request("shop.wait", b"", timeout=30)))
        await until(lambda: shop.began == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: shop.cancelled == 1)
        assert (await link.send(Request("shop.echo", b"still there"))).body == b"still there"


async def test_a_call_that_is_cancelled_before_it_began_leaves_nothing_behind(place: str) -> None:
    shop = Shop()
    async with RpcServer(shop, place, secret=SECRET) as server:
        link = RpcLink([server.address], secret=SECRET, needs=NEEDS)
        await link.send(Request("shop.echo", b""))
        calls = [asyncio.create_task(link.send(Request("shop.wait", b""))) for _ in range(50)]
        await asyncio.sleep(0)  # sent, and nothing more
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        connection = next(iter(server.connections))
        await link.send(Request("shop.echo", b""))
        await until(lambda: not connection.calls)
        await link.close()


async def test_a_module_that_was_not_declared_as_needed_may_not_be_called(place: str) -> None:
    shop = Shop()
    async with linked(place, shop) as link:
        reply = await link.send(Request("vault.open", b""))
        assert reply.status == "not-run" and reply.type == "NotAllowed"
        error = error_of(reply)
        assert isinstance(error, NotAllowed)
        assert str(error) == "web may not call vault.open: it did not declare that it needs vault."
        assert shop.began == 0


async def test_a_peer_with_another_secret_is_refused_on_both_sides_in_words(
    place: str, caplog: pytest.LogCaptureFixture,
) -> None:
    shop = Shop()
    async with linked(place, shop, link={"secret": b"another one, known to one side"}) as link:
        with pytest.raises(NotRun, match="refused this service: its CRATON_SECRET is another one"):
            await link.send(Request("shop.echo", b"", timeout=5))
    assert "rpc: web refused: its CRATON_SECRET is another one" in caplog.messages
    assert shop.began == 0


async def test_a_bug_in_the_handler_is_answered_as_failed_and_logged(
    place: str, caplog: pytest.LogCaptureFixture,
) -> None:
    async with linked(place, Shop()) as link:
        error = error_of(await link.send(Request("shop.break", b"")))
        assert isinstance(error, Failed) and error.cause == "ValueError: a bug"
    assert "shop.break failed" in caplog.text and "Traceback" in caplog.text


async def test_a_request_over_the_limit_is_not_sent(place: str) -> None:
    shop = Shop()
    async with linked(place, shop, link={"limit": 1000}) as link:
        with pytest.raises(NotRun, match=r"request of 1,0\d\d bytes is over the limit of 1,000"):
            await link.send(Request("shop.echo", b"x" * 1000))
        assert (await link.send(Request("shop.echo", b"small"))).body == b"small"
    assert shop.began == 1


async def test_an_answer_over_the_limit_is_told_as_failed_since_the_call_ran(place: str) -> None:
    async with linked(place, Shop(), limit=100_000) as link:
        error = error_of(await link.send(Request("shop.large", b"")))
        assert isinstance(error, Failed) and "over the limit of 100,000" in error.cause
        assert (await link.send(Request("shop.echo", b"small"))).body == b"small"


async def test_a_large_answer_arrives_whole(place: str) -> None:
    async with linked(place, Shop()) as link:
        replies = await asyncio.gather(*(link.send(Request("shop.large", b"")) for _ in range(8)))
        assert [len(reply.body) for reply in replies] == [2**20] * 8


async def test_a_closed_link_asks_nobody(place: str) -> None:
    async with linked(place, Shop()) as link:
        await link.close()
        with pytest.raises(NotRun, match="the link is closed"):
            await link.send(Request("shop.echo", b""))


async def test_closing_a_link_ends_its_calls_in_flight_as_unknown(place: str) -> None:
    shop = Shop()
    async with linked(place, shop) as link:
        call = asyncio.create_task(link.send(Request("shop.wait", b"")))
        await until(lambda: shop.began == 1)
        await link.close()
        with pytest.raises(OutcomeUnknown, match=r"connection to .* was lost"):
            await call
        await until(lambda: shop.cancelled == 1)


async def test_what_people_read_in_the_log_of_a_quiet_day_is_nothing(
    place: str, caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with linked(place, Shop()) as link:
        await link.send(Request("shop.echo", b"", timeout=3))
    assert not [r for r in caplog.records if r.name.startswith("craton")]

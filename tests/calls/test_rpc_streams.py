"""Streams over rpc: nobody holds more than there is room for, and both sides hear when the other one stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from craton.calls import codec
from craton.calls.link import Replies, Reply, Request
from craton.calls.links.rpc import RpcLink, RpcServer, flow
from craton.calls.links.rpc.frames import Credit, Kind, encode
from craton.calls.receiver import error_of, reply_error
from craton.errors import Failed, NotRun, OutcomeUnknown
from tests.until import until

SECRET = b"known to both sides of each test"


class Feed:
    """A handler that streams numbers, and counts what it has made. `size` fills up each item."""

    def __init__(self, size: int = 0) -> None:
        self.size, self.made, self.open, self.ended = size, 0, 0, 0

    async def __call__(self, request: Request) -> Reply | Replies:
        """`count` streams so many; `stuck` never goes on after so many; `break` ends with an error; `echo` answers."""
        return Reply("ok", request.body) if request.method == "feed.echo" else self.numbers(request)

    async def numbers(self, request: Request) -> AsyncGenerator[Reply, None]:
        """The stream."""
        self.open += 1
        try:
            for number in range(int(request.body)):
                self.made += 1
                yield Reply("ok", codec.encode(number) + bytes(self.size))
            if request.method == "feed.stuck":
                await asyncio.Event().wait()
            if request.method == "feed.break":
                yield reply_error(Failed("feed.break", "a bug"))
        finally:
            self.open, self.ended = self.open - 1, self.ended + 1


@asynccontextmanager
async def linked(feed: Feed, folder: Path, *, limit: int = 1 << 22) -> AsyncIterator[tuple[RpcLink, RpcServer]]:
    """A link to a server, and the server."""
    async with RpcServer(feed, f"unix:{folder}/feed.sock", secret=SECRET, limit=limit, drain=0.2) as server:
        link = RpcLink([server.address], secret=SECRET, service="web", needs=frozenset({"feed"}))
        try:
            yield link, server
        finally:
            await link.close()


def numbers(replies: list[Reply]) -> list[int]:
    """What was in them."""
    return [codec.decode(int, reply.body) for reply in replies]


async def test_the_items_arrive_in_order_and_more_of_them_than_there_is_room_for(tmp_path: Path) -> None:
    async with linked(Feed(), tmp_path) as (link, _):
        replies = [reply async for reply in link.stream(Request("feed.count", b"1000", timeout=20))]
        assert {reply.status for reply in replies} == {"ok"} and numbers(replies) == list(range(1000))
        assert [reply async for reply in link.stream(Request("feed.count", b"0"))] == []


async def test_a_slow_consumer_bounds_what_is_made(tmp_path: Path) -> None:
    feed = Feed()
    async with linked(feed, tmp_path) as (link, server):
        replies = link.stream(Request("feed.count", b"100000"))
        await anext(replies)
        await until(lambda: feed.made == flow.ITEMS)
        for _ in range(20):  # all that happens meanwhile happens to others
            assert (await link.send(Request("feed.echo", b"hello"))) == Reply("ok", b"hello")
        assert feed.made == flow.ITEMS
        for _ in range(flow.ITEMS):
            await anext(replies)
        await until(lambda: feed.made > flow.ITEMS)
        assert feed.made <= 2 * flow.ITEMS
        await replies.aclose()
        await until(lambda: feed.ended == 1 and not any(c.calls for c in server.connections))


async def test_large_items_are_bounded_by_their_bytes(tmp_path: Path) -> None:
    feed = Feed(size=flow.BYTES // 3)
    async with linked(feed, tmp_path) as (link, _):
        async with aclosing(link.stream(Request("feed.count", b"50"))) as replies:
            first = await anext(replies)
            await until(lambda: feed.made == 3)
            await link.send(Request("feed.echo", b""))
            assert feed.made == 3
            rest = [reply async for reply in replies]
        assert len(first.body) > feed.size and len(rest) == 49


async def test_a_consumer_that_stops_stops_the_producer(tmp_path: Path) -> None:
    feed = Feed()
    async with linked(feed, tmp_path) as (link, server):
        async with aclosing(link.stream(Request("feed.stuck", b"3"))) as replies:
            assert numbers([await anext(replies) for _ in range(3)]) == [0, 1, 2]
            assert feed.open == 1
        await until(lambda: feed.ended == 1)
        waiting = asyncio.ensure_future(anext(link.stream(Request("feed.stuck", b"0"))))
        await until(lambda: feed.open == 1)
        waiting.cancel()
        await until(lambda: feed.ended == 2 and not any(c.calls for c in server.connections))


async def test_an_error_in_the_middle_comes_after_the_items_before_it(tmp_path: Path) -> None:
    async with linked(Feed(), tmp_path) as (link, _):
        replies = [reply async for reply in link.stream(Request("feed.break", b"300"))]
        assert numbers(replies[:-1]) == list(range(300))
        assert isinstance(error_of(replies[-1]), Failed)


async def test_the_deadline_ends_both_sides(tmp_path: Path) -> None:
    feed = Feed()
    async with linked(feed, tmp_path) as (link, _):
        replies = link.stream(Request("feed.stuck", b"2", timeout=0.2))
        assert numbers([await anext(replies), await anext(replies)]) == [0, 1]
        try:
            raise error_of(await anext(replies))  # the server's word came first
        except OutcomeUnknown as error:
            assert "deadline" in str(error)
        await replies.aclose()
        await until(lambda: feed.ended == 1)


async def test_the_deadline_ends_a_stream_that_nobody_takes(tmp_path: Path) -> None:
    feed = Feed()
    async with linked(feed, tmp_path) as (link, _):
        replies = link.stream(Request("feed.count", b"100000", timeout=0.2))
        await anext(replies)
        await until(lambda: feed.ended == 1)
        with pytest.raises(OutcomeUnknown, match="deadline"):
            async for reply in replies:
                if reply.status != "ok":
                    raise error_of(reply)
        assert feed.made <= flow.ITEMS * 2


async def test_a_lost_connection_ends_the_stream_after_what_had_come(tmp_path: Path) -> None:
    feed = Feed()
    async with linked(feed, tmp_path) as (link, server):
        replies = link.stream(Request("feed.stuck", b"2"))
        assert numbers([await anext(replies)]) == [0]
        await link.send(Request("feed.echo", b""))
        for connection in server.connections:
            connection.transport.abort()
        assert numbers([await anext(replies)]) == [1]
        with pytest.raises(OutcomeUnknown, match=r"connection to .* was lost"):
            await anext(replies)
        await until(lambda: feed.ended == 1)


async def test_a_server_that_is_not_there_is_told_at_the_first_step(tmp_path: Path) -> None:
    link = RpcLink([f"unix:{tmp_path}/none.sock"], secret=SECRET)
    with pytest.raises(NotRun, match="cannot be reached"):
        await anext(link.stream(Request("feed.count", b"1", timeout=5)))
    await link.close()


async def test_many_streams_and_calls_share_one_connection(tmp_path: Path) -> None:
    async with linked(Feed(size=100), tmp_path) as (link, server):

        async def count(most: int) -> list[int]:
            stream = link.stream(Request("feed.count", b"%d" % most))
            return [codec.decode(int, reply.body[:-100]) async for reply in stream]

        async def echo(text: bytes) -> bytes:
            return (await link.send(Request("feed.echo", text))).body

        streams = asyncio.gather(*(count(n * 37) for n in range(30)))
        echoes = await asyncio.gather(*(echo(b"%d" % n) for n in range(100)))
        assert await streams == [list(range(n * 37)) for n in range(30)]
        assert echoes == [b"%d" % n for n in range(100)]
        assert len(server.connections) == 1


async def test_an_item_over_the_limit_is_told_as_failed(tmp_path: Path) -> None:
    async with linked(Feed(size=10_000), tmp_path, limit=10_000) as (link, _):
        replies = [reply async for reply in link.stream(Request("feed.count", b"2"))]
        error = error_of(replies[0])
        assert isinstance(error, Failed) and "an item of its stream of 10,001 bytes is over the limit" in error.cause


async def test_what_streams_is_refused_to_who_asks_for_one_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:
    async with linked(Feed(), tmp_path) as (link, _):
        with pytest.raises(OutcomeUnknown):
            await link.send(Request("feed.count", b"2"))
        assert any("it answered feed.count with a stream" in message for message in caplog.messages)


async def test_a_peer_cannot_make_the_room_larger_than_it_is(tmp_path: Path) -> None:
    feed = Feed()
    async with linked(feed, tmp_path) as (link, _):
        replies = link.stream(Request("feed.count", b"100000"))
        await anext(replies)
        await until(lambda: feed.made == flow.ITEMS)
        ready = link.replicas[0].ready()
        assert ready
        ready.write(Kind.CREDIT, ready.last, encode(Credit(2**40, 2**40)))
        await until(ready.transport.is_closing)  # it was sent more than it had room for
        with pytest.raises(OutcomeUnknown):
            async for _ in replies:
                pass
        assert feed.made <= 2 * flow.ITEMS

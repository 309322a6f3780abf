"""Hostile peers over rpc: what they send ends their own connection in one line of the log, and hurts nobody else."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from craton.calls.assertion import derive
from craton.calls.link import Replies, Reply, Request
from craton.calls.links.rpc import RpcLink, RpcServer, connection, server
from craton.calls.links.rpc.frames import HEADER, Challenge, FrameReader, Kind, encode, frame, read
from craton.calls.links.rpc.handshake import ClientGreeting, ServerGreeting, Terms
from craton.errors import CallError, NotRun, OutcomeUnknown
from fuzz.sessions import ground, session
from tests.until import until

SECRET = b"known to both sides of each test"
TERMS = Terms(secret=derive(SECRET, "rpc"), service="web")
NEEDS = frozenset({"shop"})


class Shop:
    """A handler: `shop.wait` answers when it is told to, `shop.large` with much, `shop.stream` without an end."""

    def __init__(self) -> None:
        self.open, self.began = asyncio.Event(), 0

    async def __call__(self, request: Request) -> Reply | Replies:
        """Answer."""
        self.began += 1
        if request.method == "shop.wait":
            await self.open.wait()
        if request.method == "shop.stream":
            return self.items()
        return Reply("ok", b"x" * 2**20 if request.method == "shop.large" else request.body)

    async def items(self) -> Replies:
        """A stream."""
        while True:
            yield Reply("ok", b"item")


class Peer:
    """A peer that speaks the protocol by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.frames = reader, writer, FrameReader()

    async def greet(self) -> None:
        """Be let in."""
        greeting = ClientGreeting(TERMS, needs=NEEDS)
        while True:
            for found in self.frames.feed(await self.reader.read(65_536)):
                if (said := greeting.hear(found)) is None:
                    return
                self.writer.write(frame(Kind.HELLO, 0, said))

    def ask(self, number: int, method: str, **options: Any) -> None:
        """Send a request."""
        self.writer.write(frame(Kind.REQUEST, number, encode(Request(method, b"", **options))))

    async def answers(self, count: int) -> dict[int, Reply]:
        """So many answers, by the numbers of their calls."""
        answers: dict[int, Reply] = {}
        async with asyncio.timeout(30):
            while len(answers) < count:
                for found in self.frames.feed(await self.reader.read(65_536)):
                    if found.kind is Kind.RESULT:
                        answers[found.number] = Reply("ok", found.body)
                    elif found.kind is Kind.REPLY:
                        answers[found.number] = read(found.body, Reply)
        return answers

    async def put_out(self) -> None:
        """Return when the server has ended the connection."""
        with suppress(ConnectionError):
            async with asyncio.timeout(20):
                while await self.reader.read(65_536):
                    pass


class Place:
    """A server, a healthy link to it, and peers by hand."""

    def __init__(self, server: RpcServer, shop: Shop, link: RpcLink, path: str) -> None:
        self.server, self.shop, self.link, self.path = server, shop, link, path
        self.peers = list[Peer]()

    async def peer(self, *, greeted: bool = True) -> Peer:
        """One more peer."""
        made = Peer(*await asyncio.open_unix_connection(self.path))
        self.peers.append(made)
        if greeted:
            await made.greet()
        return made

    async def is_well(self) -> bool:
        """Whether the healthy link is answered, over the connection that it always had."""
        return await self.link.send(Request("shop.echo", b"well", timeout=20)) == Reply("ok", b"well")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A server in trouble."""
    shop, path = Shop(), f"{tmp_path}/1.sock"
    async with RpcServer(shop, f"unix:{path}", secret=SECRET, drain=0) as made:
        link = RpcLink([made.address], secret=SECRET, service="healthy", needs=NEEDS)
        await link.send(Request("shop.echo", b""))
        first = link.replicas[0].connection
        found = Place(made, shop, link, path)
        yield found
        assert await found.is_well() and link.replicas[0].connection is first
        for peer in found.peers:
            peer.writer.close()
        await link.close()


def closed(caplog: pytest.LogCaptureFixture, who: str, why: str) -> bool:
    """Whether the log says, in one line, that a connection was closed for a reason."""
    assert "Traceback" not in caplog.text
    return any(m.startswith(f"rpc: connection with {who} closed: ") and why in m for m in caplog.messages)


HOSTILE = {
    "99 is not a kind of frame": HEADER.pack(0, 1, 99),
    "a frame of 4,294,967,295 bytes is over the limit": HEADER.pack(2**32 - 1, 1, Kind.REQUEST),
    "its body is no Request: MessagePack data is malformed": frame(Kind.REQUEST, 1, b"\xc1"),
    "its body is no Request: 'utf-8' codec can't decode": frame(
        Kind.REQUEST, 1, b"\x82\xa6method\xa2\xff\xfe\xa4body\xc4\x00"),
    "its body is no Request: Expected `object`, got `array`": frame(Kind.REQUEST, 1, b"\x90"),
    "it may not send WELCOME": frame(Kind.WELCOME),
    "it may not send HELLO": frame(Kind.HELLO),
    "it may not send REPLY": frame(Kind.REPLY, 1, encode(Reply("ok"))),
    "its body is no Credit: Expected `int` >= 0": frame(Kind.CREDIT, 1, encode({"items": -1, "bytes": 0})),
    "its time-out is not a number": frame(Kind.REQUEST, 1, encode(Request("shop.echo", b"", timeout=float("nan")))),
    "it used the number 1 for two calls": frame(Kind.REQUEST, 1, encode(Request("shop.wait", b""))) * 2,
}


@pytest.mark.parametrize("why", HOSTILE)
async def test_what_is_no_frame_ends_the_connection_that_it_came_on(
    place: Place, why: str, caplog: pytest.LogCaptureFixture,
) -> None:
    peer = await place.peer()
    peer.writer.write(HOSTILE[why])
    await peer.put_out()
    await until(lambda: closed(caplog, "web", why))


async def test_deeply_nested_data_is_refused_and_not_followed_down(
    place: Place, caplog: pytest.LogCaptureFixture,
) -> None:
    peer = await place.peer()
    peer.writer.write(frame(Kind.REQUEST, 1, b"\x82\xa6method" + b"\x91" * 100_000))
    await peer.put_out()
    await until(lambda: closed(caplog, "web", "its body is no Request"))


async def test_a_peer_that_says_a_byte_a_time_is_cut_off_before_it_is_greeted(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(connection, "HELLO_SECONDS", 0.3)
    peer = await place.peer(greeted=False)
    for byte in frame(Kind.HELLO, 0, b"x" * 1000):
        peer.writer.write(bytes([byte]))
        await asyncio.sleep(0.02)
        if closed(caplog, "a peer", "it said nothing of itself for 0.3 s"):
            break
    else:
        raise AssertionError("it was let talk on")
    await peer.put_out()


async def test_a_greeted_peer_that_holds_back_half_a_frame_is_cut_off(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.1)
    peer = await place.peer()
    peer.writer.write(HEADER.pack(1000, 1, Kind.REQUEST) + b"half")
    await peer.put_out()
    assert closed(caplog, "web", "it held back the rest of a frame for 0.1 s")


async def test_a_large_frame_may_take_its_time_as_long_as_it_comes(place: Place) -> None:
    peer, body = await place.peer(), encode(Request("shop.echo", b"x" * 300_000))
    held = next(c for c in place.server.connections if c.name == "web")
    peer.writer.write(HEADER.pack(len(body), 1, Kind.REQUEST) + body[:200_000])
    await until(lambda: len(held.reader.buffer) >= 200_000)
    held.miss_rest(held.reader.begun, 200_000 - connection.STALL_BYTES)  # so much came in the time that it is given
    peer.writer.write(body[200_000:])
    assert await peer.answers(1) == {1: Reply("ok", b"x" * 300_000)}


async def test_of_too_many_that_say_nothing_those_that_came_first_make_room(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(server, "MOST_STRANGERS", 10)
    strangers = [await place.peer(greeted=False) for _ in range(30)]
    await until(lambda: len(place.server.strangers) == 10)
    await asyncio.gather(*(stranger.put_out() for stranger in strangers[:20]))
    assert closed(caplog, "a peer", "too many others wait for a greeting, too")
    await place.peer()  # who speaks up is let in all the same


async def test_too_many_calls_of_a_peer_wait_unread_until_others_have_ended(
    place: Place, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "MOST_CALLS", 20)
    peer = await place.peer()
    held = next(c for c in place.server.connections if c.name == "web")
    for number in range(20):
        peer.ask(number, "shop.wait")
    await until(lambda: len(held.calls) == 20)
    for number in range(20, 5000):
        peer.ask(number, "shop.wait", key="k" * 1000)
    assert await place.is_well()
    assert len(held.calls) == 20 and place.shop.began == 22  # two of the healthy peer
    place.shop.open.set()
    assert len(await peer.answers(5000)) == 5000


async def test_streams_that_nobody_reads_hold_no_other_call_up_and_are_bounded(
    place: Place, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "MOST_STREAMS", 5)
    monkeypatch.setattr(server, "MOST_CALLS", 5)
    peer = await place.peer()
    for number in range(1, 8):
        peer.ask(number, "shop.stream")
    peer.ask(8, "shop.echo")
    replies = await peer.answers(3)
    assert {number: reply.status for number, reply in replies.items()} == {6: "not-run", 7: "not-run", 8: "ok"}
    assert b"reads 5 other streams" in replies[6].body


async def test_a_peer_that_reads_no_answers_is_cut_off(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(server, "STALL_SECONDS", 0.2)
    peer = await place.peer()
    held = next(c for c in place.server.connections if c.name == "web")
    for number in range(30):
        peer.ask(number, "shop.large")
    await until(lambda: held.ended.done())
    assert closed(caplog, "web", "it read no answers for 0.2 s")


async def test_what_a_peer_says_of_itself_forges_no_line_of_the_log(
    place: Place, caplog: pytest.LogCaptureFixture,
) -> None:
    peer = await place.peer(greeted=False)
    terms = Terms(secret=b"another", service="web\n12:00:00 ERROR craton: all is lost \x1b[31m" + "x" * 100_000)
    (challenge,) = peer.frames.feed(await peer.reader.read(65_536))
    peer.writer.write(frame(Kind.HELLO, 0, ClientGreeting(terms, needs=NEEDS).hear(challenge) or b""))
    await peer.put_out()
    (line,) = [m for m in caplog.messages if "refused" in m]
    assert "\n" not in line and "\x1b" not in line and len(line) < 3000


async def test_a_flood_of_hostile_peers_leaves_no_memory_behind(place: Place) -> None:
    async def flood(times: int) -> None:
        for _ in range(times):
            peer = await place.peer()
            peer.writer.write(HEADER.pack(10_000_000, 1, Kind.REQUEST) + b"x" * 500_000)
            await asyncio.sleep(0)
            peer.writer.close()
            place.peers.clear()
        await until(lambda: len(place.server.connections) == 1)

    await flood(20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await flood(100)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # KiB; all of them sent 50,000


# ------------------------------------------------------------------ hostile servers


@asynccontextmanager
async def impostor(path: str, *said: bytes) -> AsyncIterator[RpcLink]:
    """A link to a server that has the secret, and says this once it is asked something."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = ServerGreeting(Terms(secret=TERMS.secret, service="shop"))
        writer.write(frame(Kind.CHALLENGE, 0, encode(greeting.challenge)))
        frames = FrameReader()
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                for found in frames.feed(data):
                    if found.kind is Kind.HELLO:
                        writer.write(frame(Kind.WELCOME, 0, greeting.hear(found)[1]))
                    if found.kind is Kind.REQUEST:
                        writer.writelines(said)
        writer.close()

    listener = await asyncio.start_unix_server(serve, path)
    link = RpcLink([f"unix:{path}"], secret=SECRET, service="web", needs=NEEDS, peer="shop")
    try:
        yield link
    finally:
        await link.close()
        listener.close()


MISLEADING = {
    "its body is no Reply": frame(Kind.REPLY, 1, b"\xc1"),
    "it may not send REQUEST": frame(Kind.REQUEST, 1, b""),
    "it may not send CHALLENGE": frame(Kind.CHALLENGE, 0, encode(Challenge(2, "shop", b""))),
    "is over the limit of": HEADER.pack(2**31, 1, Kind.REPLY),
    "it answered shop.echo with a stream": frame(Kind.ITEM, 1, b"item"),
}


@pytest.mark.parametrize("why", MISLEADING)
async def test_a_server_that_talks_nonsense_ends_its_connection_and_its_calls_and_nothing_else(
    tmp_path: Path, why: str, caplog: pytest.LogCaptureFixture, place: Place,
) -> None:
    async with impostor(f"{tmp_path}/h.sock", MISLEADING[why]) as link:
        with pytest.raises(OutcomeUnknown, match="was lost before its answer came"):
            await link.send(Request("shop.echo", b"", timeout=10))
        assert closed(caplog, f"unix:{tmp_path}/h.sock", why)


async def test_answers_that_nobody_waits_for_are_dropped(tmp_path: Path) -> None:
    mine = frame(Kind.REPLY, 1, encode(Reply("ok", b"mine")))
    strange = frame(Kind.REPLY, 7, encode(Reply("ok", b"of another"))) + frame(Kind.ITEM, 9, b"item")
    async with impostor(f"{tmp_path}/h.sock", strange, frame(Kind.UNTAKEN, 3), mine) as link:
        assert (await link.send(Request("shop.echo", b"", timeout=10))).body == b"mine"


async def test_a_stream_that_is_sent_without_room_for_it_breaks_off(tmp_path: Path) -> None:
    async with impostor(f"{tmp_path}/h.sock", frame(Kind.ITEM, 1, b"item") * 10_000) as link:
        with pytest.raises(OutcomeUnknown):
            async for _ in link.stream(Request("shop.stream", b"", timeout=10)):
                await asyncio.sleep(0.01)


async def test_a_server_that_refuses_with_pages_of_text_is_quoted_in_a_line(tmp_path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(Kind.REFUSED, 0, encode("no\n" + "really, no. " * 10_000)) * 2)
        await reader.read()
        writer.close()

    listener = await asyncio.start_unix_server(refuse, tmp_path / "r.sock")
    link = RpcLink([f"unix:{tmp_path}/r.sock"], secret=SECRET)
    with pytest.raises(NotRun, match="it refused this service: no") as raised:
        await link.send(Request("shop.echo", b"", timeout=10))
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 3000
    await link.close()
    listener.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_no_session_breaks_a_server_or_a_client_or_what_they_do_for_others(
    tmp_path: Path, sessions: list[bytes],
) -> None:
    async def hold() -> None:
        async with ground(f"unix:{tmp_path}/g.sock") as made:
            for data in sessions:
                with suppress(CallError):
                    await session(made, data)

    asyncio.run(hold())

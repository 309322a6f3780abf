"""rpc when things break: servers that die, drain, stall or speak garbage, and replicas that stand in for each other."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from craton.calls.link import Reply, Request
from craton.calls.links.rpc import RpcLink, RpcServer, connection
from craton.calls.links.rpc.frames import HEADER, VERSION, Challenge, FrameReader, Kind, encode, frame, read
from craton.errors import NotRun, OutcomeUnknown
from tests.until import until

SECRET = b"known to both sides of each test"
NEEDS = frozenset({"shop"})

SERVER = """
import asyncio, sys
from craton.calls.link import Reply, Request
from craton.calls.links.rpc import RpcServer

async def answer(request: Request) -> Reply:
    if request.method == "shop.wait":
        await asyncio.sleep(60)
    return Reply("ok", sys.argv[1].encode())

async def main() -> None:
    async with RpcServer(answer, sys.argv[1], secret=b"known to both sides of each test"):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def echo(request: Request) -> Reply:
    """A handler that takes a moment for what is called slow."""
    if request.method == "shop.slow":
        await asyncio.sleep(0.2)
    if request.method == "shop.wait":
        await asyncio.Event().wait()
    return Reply("ok", request.body)


@asynccontextmanager
async def process(address: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server in a process of its own."""
    made = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, address, stdout=asyncio.subprocess.PIPE)
    try:
        assert made.stdout and await made.stdout.readline() == b"ready\n"
        yield made
    finally:
        with suppress(ProcessLookupError):
            made.kill()
        await made.wait()


def link_to(*addresses: str) -> RpcLink:
    """A link to these replicas."""
    return RpcLink(addresses, secret=SECRET, service="web", needs=NEEDS)


async def test_a_server_that_is_not_there_means_not_run_at_once(tmp_path: Path) -> None:
    link = link_to(f"unix:{tmp_path}/none.sock")
    with pytest.raises(NotRun, match=r"shop.echo was not called: unix:.*none.sock cannot be reached"):
        await link.send(Request("shop.echo", b"", timeout=30))
    await link.close()


def test_a_server_that_is_not_there_leaves_nothing_behind_in_uvloop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "HELLO_SECONDS", 0.01)
    errors = list[object]()

    async def ask() -> None:  # services run in uvloop, which makes the connection's object before it connects
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
        link = link_to(f"unix:{tmp_path}/none.sock")
        with pytest.raises(NotRun):
            await link.send(Request("shop.echo", b"", timeout=30))
        await asyncio.sleep(0.05)
        await link.close()

    uvloop.run(ask())
    assert not errors


async def test_a_server_that_is_killed_in_mid_call_means_outcome_unknown_and_then_not_run(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/a.sock"
    link = link_to(address)
    async with process(address) as server:
        calls = [asyncio.create_task(link.send(Request("shop.wait", b"", timeout=30))) for _ in range(10)]
        assert (await link.send(Request("shop.echo", b""))).status == "ok"
        server.kill()
        await server.wait()
        errors = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in errors] == [OutcomeUnknown] * 10
        with pytest.raises(NotRun):
            await link.send(Request("shop.echo", b"", timeout=30))
    await link.close()


async def test_a_server_that_comes_back_is_found_again(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/a.sock"
    link = link_to(address)
    for _ in range(3):
        async with process(address):
            await answered(link)
    await link.close()


async def answered(link: RpcLink) -> None:
    """Return when a call is answered."""
    for _ in range(200):
        with suppress(NotRun, OutcomeUnknown):
            assert (await link.send(Request("shop.echo", b"", timeout=5))).status == "ok"
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the server was not found again")


async def test_of_two_replicas_one_may_die_and_only_its_calls_in_flight_are_lost(tmp_path: Path) -> None:
    one, two = f"unix:{tmp_path}/1.sock", f"unix:{tmp_path}/2.sock"
    async with process(one) as dying, process(two):
        link = link_to(one, two)
        before = await asyncio.gather(*(link.send(Request("shop.echo", b"", timeout=5)) for _ in range(60)))
        assert {reply.body for reply in before} == {one.encode(), two.encode()}
        dying.send_signal(signal.SIGKILL)
        await dying.wait()
        after = [await link.send(Request("shop.echo", b"", timeout=5)) for _ in range(200)]
        assert {reply.body for reply in after} == {two.encode()}
        await link.close()


async def test_the_replica_with_fewer_calls_in_flight_is_preferred(tmp_path: Path) -> None:
    asked = [0, 0]

    def counting(n: int) -> Callable[[Request], asyncio.Future[Reply]]:
        def answer(request: Request) -> asyncio.Future[Reply]:
            asked[n] += 1
            return asyncio.ensure_future(echo(request))
        return answer

    one = RpcServer(counting(0), f"unix:{tmp_path}/1.sock", secret=SECRET, drain=0.1)
    two = RpcServer(counting(1), f"unix:{tmp_path}/2.sock", secret=SECRET, drain=0.1)
    async with one, two:
        link = link_to(one.address, two.address)
        waiting = [asyncio.create_task(link.send(Request("shop.wait", b""))) for _ in range(20)]
        await until(lambda: sum(asked) == 20)
        assert abs(asked[0] - asked[1]) <= 2
        await link.close()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_drain_lets_running_calls_finish_and_sends_new_ones_elsewhere(tmp_path: Path) -> None:
    one, two = (RpcServer(echo, f"unix:{tmp_path}/{n}.sock", secret=SECRET) for n in (1, 2))
    async with two:
        link = link_to(one.address, two.address)
        async with one:
            slow = [asyncio.create_task(link.send(Request("shop.slow", b"", timeout=5))) for _ in range(20)]
            await until(lambda: sum(len(c.calls) for server in (one, two) for c in server.connections) == 20)
            leaving = asyncio.create_task(one.drain())
            more = [await link.send(Request("shop.echo", b"more", timeout=5)) for _ in range(100)]
            assert {reply.status for reply in more} == {"ok"}
            await leaving
            assert {reply.status for reply in await asyncio.gather(*slow)} == {"ok"}
        await link.close()


async def test_calls_in_flight_are_answered_although_their_draining_server_is_not_reached_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("craton.calls.links.rpc.link.FIRST_PAUSE", 0.0)  # it is tried again at once
    async with RpcServer(echo, f"unix:{tmp_path}/1.sock", secret=SECRET) as server:
        link = link_to(server.address)
        slow = asyncio.create_task(link.send(Request("shop.slow", b"", timeout=5)))
        await until(lambda: any(c.calls for c in server.connections))
        leaving = asyncio.create_task(server.drain())
        await until(lambda: bool(link.replicas[0].failures))
        with pytest.raises(NotRun, match="cannot be reached"):
            await link.send(Request("shop.echo", b"", timeout=5))
        assert (await slow).status == "ok"
        await leaving
    await link.close()


async def test_closing_a_link_ends_what_waits_for_a_draining_server_too(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/1.sock"
    async with RpcServer(echo, address, secret=SECRET) as leaving:
        link = link_to(address)
        waiting = asyncio.create_task(link.send(Request("shop.wait", b"")))
        await until(lambda: any(c.calls for c in leaving.connections))
        drained = asyncio.create_task(leaving.drain())
        await until(lambda: bool(link.replicas[0].failures))
        async with RpcServer(echo, address, secret=SECRET):
            await answered(link)
            await link.close()
            with pytest.raises(OutcomeUnknown):
                await waiting
        await drained


async def test_requests_that_cross_with_the_goodbye_are_not_run_rather_than_unknown(tmp_path: Path) -> None:
    async with RpcServer(echo, f"unix:{tmp_path}/1.sock", secret=SECRET) as server:
        link = link_to(server.address)
        await link.send(Request("shop.echo", b""))
        calls = [asyncio.create_task(link.send(Request("shop.echo", b""))) for _ in range(20)]
        await asyncio.sleep(0)  # sent, but not yet read by the server
        await server.drain()
        assert {type(error) for error in await asyncio.gather(*calls, return_exceptions=True)} == {NotRun}
        await link.close()


async def test_a_drain_stops_what_does_not_finish_in_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with RpcServer(echo, f"unix:{tmp_path}/1.sock", secret=SECRET, drain=0.1) as server:
        link = link_to(server.address)
        call = asyncio.create_task(link.send(Request("shop.wait", b"")))
        await until(lambda: bool(server.connections) and bool(next(iter(server.connections)).calls))
    with suppress(OutcomeUnknown):
        assert (await call).status == "unknown"
    assert "rpc: 1 calls still ran 0.1 s after the drain began; cancelled" in caplog.messages
    assert not (tmp_path / "1.sock").exists()
    await link.close()


async def test_a_server_that_accepts_and_says_nothing_means_not_run_by_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    stalled = await asyncio.start_unix_server(silent, tmp_path / "s.sock")
    link = link_to(f"unix:{tmp_path}/s.sock")
    with pytest.raises(NotRun, match="took no request before the deadline"):
        await link.send(Request("shop.echo", b"", timeout=0.1))
    await link.close()
    monkeypatch.setattr("craton.calls.links.rpc.link.CONNECT_SECONDS", 0.1)
    link = link_to(f"unix:{tmp_path}/s.sock")
    with pytest.raises(NotRun, match=r"s\.sock cannot be reached \(it does not answer\)"):
        await link.send(Request("shop.echo", b""))
    await link.close()
    stalled.close()


async def test_a_server_of_another_protocol_version_is_refused_in_words(tmp_path: Path) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(Kind.CHALLENGE, 0, encode(Challenge(VERSION + 1, "shop", b""))))
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(other, tmp_path / "v.sock")
    link = link_to(f"unix:{tmp_path}/v.sock")
    with pytest.raises(NotRun, match="speaks version 3 of the protocol, and this side 2: deploy both"):
        await link.send(Request("shop.echo", b"", timeout=5))
    await link.close()
    server.close()


async def test_a_server_without_the_secret_gets_no_request(tmp_path: Path) -> None:
    got: list[Kind] = []

    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(Kind.CHALLENGE, 0, encode(Challenge(VERSION, "shop", b"nonce"))))
        frames = FrameReader()
        while data := await reader.read(1000):
            for found in frames.feed(data):
                got.append(found.kind)
                writer.write(frame(Kind.WELCOME, 0, b"let me guess"))
        writer.close()

    server = await asyncio.start_unix_server(impostor, tmp_path / "i.sock")
    link = link_to(f"unix:{tmp_path}/i.sock")
    with pytest.raises(NotRun, match="could not show that it has this CRATON_SECRET"):
        await link.send(Request("shop.echo", b"", timeout=5))
    assert got == [Kind.HELLO]
    await link.close()
    server.close()


async def test_a_peer_that_never_says_who_it_is_is_put_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HELLO_SECONDS", 0.05)
    async with RpcServer(echo, f"unix:{tmp_path}/1.sock", secret=SECRET):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "1.sock")
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()


async def test_requests_before_the_hello_close_the_connection(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with RpcServer(echo, f"unix:{tmp_path}/1.sock", secret=SECRET):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "1.sock")
        writer.write(frame(Kind.REQUEST, 1, encode(Request("shop.echo", b""))))
        challenge = FrameReader()
        frames = list(challenge.feed(await reader.read()))
        assert [f.kind for f in frames] == [Kind.CHALLENGE] and read(frames[0].body, Challenge).version == VERSION
        writer.close()
    assert "rpc: connection with a peer closed: its first frame was REQUEST, not HELLO" in caplog.messages


async def test_a_stranger_cannot_make_the_server_hold_a_large_frame(tmp_path: Path) -> None:
    async with RpcServer(echo, f"unix:{tmp_path}/1.sock", secret=SECRET):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "1.sock")
        writer.write(HEADER.pack(10_000_000, 0, Kind.HELLO))
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4), greeted=st.booleans())
def test_garbage_ends_its_own_connection_and_no_other(tmp_path: Path, garbage: list[bytes], greeted: bool) -> None:
    async def scenario() -> None:
        async with RpcServer(echo, f"unix:{tmp_path}/g.sock", secret=SECRET, drain=0.2) as server:
            good, bad = link_to(server.address), link_to(server.address)
            await good.send(Request("shop.echo", b"", timeout=5))
            if greeted:  # garbage from a peer that is let in
                await bad.send(Request("shop.echo", b"", timeout=5))
                ready = bad.replicas[0].ready()
                assert ready is not None
                for piece in garbage:
                    ready.transport.write(piece)
            else:
                _, writer = await asyncio.open_unix_connection(tmp_path / "g.sock")
                writer.writelines(garbage)
                writer.close()
            assert (await good.send(Request("shop.echo", b"fine", timeout=5))).body == b"fine"
            await asyncio.gather(good.close(), bad.close())

    asyncio.run(scenario())

"""A peer that is gone without a word is noticed while calls wait for it; one that only takes its time is not."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from craton.calls.link import Reply, Request
from craton.calls.links.rpc import RpcServer, connection, server
from craton.calls.links.rpc import link as link_module
from craton.calls.links.rpc.frames import Frame, Kind
from craton.errors import OutcomeUnknown
from tests.calls.test_rpc_failures import SECRET, link_to, process
from tests.until import until


async def test_a_peer_that_vanished_without_a_word_ends_the_calls_that_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.25)
    address = f"unix:{tmp_path}/a.sock"
    link = link_to(address)
    async with process(address) as server:
        waiting = asyncio.create_task(link.send(Request("shop.wait", b"")))  # without a deadline
        await until(lambda: bool(link.replicas[0].connection and link.replicas[0].connection.calls))
        server.send_signal(signal.SIGSTOP)  # as a machine that lost its power: no FIN, no answer
        with pytest.raises(OutcomeUnknown, match="was lost before its answer came"):
            await waiting
        server.send_signal(signal.SIGCONT)
    assert any("has not been heard of for 0.5 s" in message for message in caplog.messages)
    await link.close()


async def test_a_peer_that_takes_its_time_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.02)
    gate, asked = asyncio.Event(), 0

    async def slow(request: Request) -> Reply:
        await gate.wait()
        return Reply("ok", b"late")

    def counted(take: Callable[[Frame], None]) -> Callable[[Frame], None]:
        def count(found: Frame) -> None:
            nonlocal asked
            asked += 1
            take(found)

        return count

    async with RpcServer(slow, f"unix:{tmp_path}/1.sock", secret=SECRET) as server:
        link = link_to(server.address)
        waiting = asyncio.create_task(link.send(Request("shop.slow", b"")))
        await until(lambda: any(c.calls for c in server.connections))
        for one in server.connections:
            monkeypatch.setattr(one, "take", counted(one.take))
        await until(lambda: asked >= 4, seconds=20)  # it was asked, and answered, again and again
        gate.set()
        assert (await waiting).body == b"late"
        await link.close()


async def test_a_server_that_reads_no_more_until_calls_have_ended_is_not_taken_for_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(server, "MOST_CALLS", 2)
    gate, heard = asyncio.Event(), list[Kind]()

    async def slow(request: Request) -> Reply:
        await gate.wait()
        return Reply("ok", b"late")

    async with RpcServer(slow, f"unix:{tmp_path}/1.sock", secret=SECRET) as made:
        link = link_to(made.address)
        waiting = [asyncio.create_task(link.send(Request("shop.slow", b""))) for _ in range(3)]
        await until(lambda: any(c.full for c in made.connections))
        asking = link.replicas[0].connection
        assert asking
        take = asking.take

        def hear(found: Frame) -> None:
            heard.append(found.kind)
            take(found)

        monkeypatch.setattr(asking, "take", hear)
        await until(lambda: heard.count(Kind.PING) >= 4, seconds=20)
        gate.set()
        assert [(await one).body for one in waiting] == [b"late"] * 3
        await link.close()


async def test_a_connection_without_calls_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SILENCE_SECONDS", 0.02)

    async def echo(request: Request) -> Reply:
        return Reply("ok", request.body)

    async with RpcServer(echo, f"unix:{tmp_path}/1.sock", secret=SECRET) as server:
        link = link_to(server.address)
        await link.send(Request("shop.echo", b""))
        ends = [link.replicas[0].connection, *server.connections]
        await until(lambda: not any(end and end.listening for end in ends))  # no timer is left
        assert (await link.send(Request("shop.echo", b"again"))).body == b"again"
        assert [link.replicas[0].connection, *server.connections] == ends
        await link.close()


async def test_a_link_is_closed_even_if_the_other_side_reads_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "PARTING_SECONDS", 0.1)
    address = f"unix:{tmp_path}/a.sock"
    link = link_to(address)
    async with process(address) as running:
        await link.send(Request("shop.echo", b""))
        running.send_signal(signal.SIGSTOP)
        waiting = asyncio.create_task(link.send(Request("shop.wait", b"x" * 8_000_000)))
        await until(lambda: bool(link.replicas[0].connection and link.replicas[0].connection.calls))
        async with asyncio.timeout(20):
            await link.close()
        with pytest.raises(OutcomeUnknown):
            await waiting

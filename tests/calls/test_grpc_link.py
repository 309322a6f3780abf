"""The link over gRPC besides what all links must do: replicas, what is too large, lost, or was changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from craton import Failed, NotRun, OutcomeUnknown
from craton.calls import codec
from craton.calls.link import Request
from craton.calls.links.grpc.link import LIMIT, GrpcLink
from craton.calls.links.grpc.server import GrpcServer
from craton.calls.receiver import error_of
from craton.run.linking import schema_of, serve_grpc
from craton.testing.start import SECRET, start
from tests.calls.gallery.application import gallery
from tests.calls.gallery.module import Walls
from tests.until import until

SEEN = Request("paintings.seen", b"\x80", timeout=20)


@asynccontextmanager
async def linked(folder: Path, *, replicas: int = 1) -> AsyncIterator[tuple[GrpcLink, list[GrpcServer], Walls]]:
    """A link to the gallery, whose servers can be stopped one by one."""
    async with start(gallery) as running, AsyncExitStack() as stack:
        process = running.processes["gallery"]
        made = [cast("GrpcServer", serve_grpc(process, f"unix:{folder}/{n}")) for n in range(replicas)]
        servers = [await stack.enter_async_context(server) for server in made]
        link = GrpcLink(
            [server.address for server in servers], schema_of(gallery), secret=SECRET, service="operator",
            needs=frozenset({"paintings"}),
        )
        stack.push_async_callback(link.close)
        yield link, servers, process.hosted["paintings"].instance


def asking(name: str, **arguments: Any) -> Request:
    """A request to the gallery."""
    rpc = schema_of(gallery).find(f"paintings.{name}")
    assert rpc
    return Request(rpc.name, codec.encode_arguments(rpc.method, rpc.method.arguments(**arguments)), timeout=20)


async def test_of_two_replicas_one_may_leave(tmp_path: Path) -> None:
    async with linked(tmp_path, replicas=2) as (link, servers, _):
        for _ in range(4):
            assert (await link.send(SEEN)).status == "ok"
        await servers[0].__aexit__()
        for _ in range(4):
            assert (await link.send(SEEN)).status == "ok"
        await servers[1].__aexit__()
        with pytest.raises(NotRun, match="failed to connect"):
            await link.send(SEEN)
        with pytest.raises(NotRun, match="failed to connect"):
            await anext(link.stream(asking("prices", count=1)))


async def test_a_replica_that_was_away_is_asked_again(tmp_path: Path) -> None:
    async with linked(tmp_path) as (link, servers, _):
        await servers[0].__aexit__()
        with pytest.raises(NotRun):
            await link.send(SEEN)
        async with servers[0]:
            async with asyncio.timeout(20):
                while True:  # it is tried again within a second
                    try:
                        assert (await link.send(SEEN)).status == "ok"
                        break
                    except NotRun:
                        await asyncio.sleep(0.05)


async def test_who_closes_the_link_leaves_calls_in_doubt_and_makes_no_more(tmp_path: Path) -> None:
    async with linked(tmp_path) as (link, _, walls):
        call = asyncio.create_task(link.send(asking("wait")))
        await until(lambda: walls.began == 1)
        await link.close()
        with pytest.raises(OutcomeUnknown, match="closed"):
            await call
        with pytest.raises(NotRun, match="the link is closed"):
            await link.send(SEEN)


async def test_what_is_too_large_is_not_sent_or_told(tmp_path: Path) -> None:
    async with linked(tmp_path) as (link, _, _walls):
        with pytest.raises(NotRun, match="over the limit"):
            await link.send(asking("seen", title="x" * LIMIT))
        reply = await link.send(asking("scan", size=LIMIT))
        assert isinstance(error_of(reply), Failed) and "over the limit" in str(error_of(reply))


async def test_a_signed_call_that_was_changed_is_refused(tmp_path: Path) -> None:
    async with linked(tmp_path) as (link, servers, walls):
        call = link.outgoing(asking("move", title="Sea", room="attic"))
        signed = link.options(call)["metadata"]
        other = link.outgoing(asking("move", title="Sea", room="cellar")).body
        async with grpc.aio.insecure_channel(servers[0].address) as channel:
            for path, body, metadata in [
                (call.path, other, signed),
                (call.path.replace("Move", "Burn"), call.body, signed),
                (call.path, call.body, (*signed, ("idempotency-key", '"another"'))),
                (call.path, call.body, (*signed, ("craton-caller", "bWU="))),
            ]:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await channel.unary_unary(path)(body, metadata=metadata)
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert walls.bought == []


async def test_a_signed_call_that_was_overheard_is_done_no_second_time(tmp_path: Path) -> None:
    async with linked(tmp_path) as (link, servers, walls):
        call = link.outgoing(asking("move", title="Sea", room="attic"))
        async with grpc.aio.insecure_channel(servers[0].address) as channel:
            move, signed = channel.unary_unary(call.path), link.options(call)["metadata"]
            await move(call.body, metadata=signed)
            done = list(walls.bought)
            with pytest.raises(grpc.aio.AioRpcError, match="came before"):
                await move(call.body, metadata=signed)
        assert walls.bought == done



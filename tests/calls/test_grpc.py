"""gRPC for clients outside: plain grpcio with stubs made of the exported .proto, or with nothing but reflection."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_tools import protoc

from craton import NotRun, SettingsError
from craton.calls.context import Caller
from craton.calls.link import Reply, Request
from craton.calls.links.grpc.link import GrpcLink
from craton.calls.links.grpc.server import GrpcServer
from craton.calls.links.grpc.tls import server_credentials
from craton.calls.links.rpc.tls import Protection, tls_of
from craton.edge.authentication import Tokens
from craton.edge.grpc import address_of
from craton.export.proto import write
from craton.run.certs import certs
from craton.run.linking import schema_of, serve_grpc
from craton.testing.start import SECRET, start, user
from tests.calls.gallery.application import gallery
from tests.calls.gallery.module import Walls
from tests.until import until

SERVICE = "gallery.paintings.v1.Paintings"


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What grpc_tools makes of the exported file: the only thing of Craton that these clients have."""
    folder = tmp_path_factory.mktemp("stubs")
    (file,) = write(schema_of(gallery), ["paintings"], folder)
    known = files("grpc_tools") / "_proto"
    options = [f"-I{folder}", f"-I{known}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    assert protoc.main(["", *options, str(file)]) == 0
    sys.path.insert(0, str(folder))
    try:
        names = ("paintings_pb2", "paintings_pb2_grpc")
        messages, services = (importlib.import_module(f"gallery.paintings.v1.{name}") for name in names)
        yield SimpleNamespace(**vars(messages), client=services.PaintingsStub)
    finally:
        sys.path.remove(str(folder))


class Served:
    """A gallery that is open by gRPC, and a channel to it."""

    def __init__(self, server: GrpcServer, channel: grpc.aio.Channel, walls: Walls) -> None:
        self.server, self.channel, self.walls = server, channel, walls

    def as_caller(self, caller: Caller, key: str | None = None) -> list[tuple[str, str]]:
        """Metadata of a caller with a token, and of a key."""
        token = Tokens(SECRET, "gallery").issue(caller, lifetime=timedelta(minutes=1))
        return [("authorization", f"Bearer {token}"), *([("idempotency-key", key)] if key else [])]


@asynccontextmanager
async def serving(address: str, *, tls: Protection = None, **environ: str) -> AsyncIterator[Served]:
    """The gallery, in this process, behind a real socket."""
    async with start(gallery, environ=environ) as running:
        process = running.processes["gallery"]
        process.tls = tls
        async with cast("GrpcServer", serve_grpc(process, address)) as server:
            async with grpc.aio.insecure_channel(server.address) as channel:
                yield Served(server, channel, process.hosted["paintings"].instance)


@pytest.fixture(params=["unix", "tcp"])
async def served(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    """The gallery, at both kinds of addresses."""
    async with serving(f"unix:{tmp_path}/s" if request.param == "unix" else "127.0.0.1:0") as found:
        yield found


@pytest.fixture
async def open_gallery(tmp_path: Path) -> AsyncIterator[Served]:
    """The gallery, where the kind of address does not matter."""
    async with serving(f"unix:{tmp_path}/s") as found:
        yield found


def details(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, ErrorInfo, list[Any]]:
    """What an error says: its code, the ErrorInfo, and what stands beside it."""
    metadata: dict[str, Any] = dict(error.trailing_metadata() or ())
    status = Status.FromString(metadata["grpc-status-details-bin"])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    return error.code(), info, list(status.details[1:])


async def failing(call: Any) -> tuple[grpc.StatusCode, str]:
    """The code and the reason with which a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    code, info, _ = details(caught.value)
    return code, info.reason


# ---------------------------------------------------------------------- answers


async def test_a_plain_client_gets_answers(served: Served, stubs: Any) -> None:
    client = stubs.client(served.channel)
    page = await client.Page(stubs.PageRequest(limit=2))
    assert [price.amount for price in page.items] == ["0", "1"]
    assert [price.currency for price in page.items] == [stubs.Price.CURRENCY_EUR] * 2
    assert len((await client.Page(stubs.PageRequest())).items) == 3
    assert not (await client.Find(stubs.FindRequest(title="x"))).HasField("result")
    painting = stubs.Painting(
        id="00000000-0000-0000-0000-000000000007", title="Sea", price=stubs.Price(amount="1.50"),
        style=stubs.STYLE_INK, painted="2026-01-31", size=stubs.Painting.Size(item1=3, item2=4.5),
        mount=stubs.Painting.Mount(glass=stubs.Glass(thickness=2)),
    )
    echoed = await client.Echo(stubs.EchoRequest(painting=painting))
    assert (echoed.title, echoed.mount.glass.thickness, echoed.room) == ("Sea", 2, "cellar")


async def test_arguments_that_do_not_fit_are_refused_with_the_field(open_gallery: Served, stubs: Any) -> None:
    client = stubs.client(open_gallery.channel)
    for request, said in [(stubs.PageRequest(limit=51), "limit: expected int <= 50")]:
        with pytest.raises(grpc.aio.AioRpcError, match=said) as caught:
            await client.Page(request)
        assert details(caught.value)[:1] == (grpc.StatusCode.INVALID_ARGUMENT,)
    with pytest.raises(grpc.aio.AioRpcError, match=r"painting\.id: is required|painting\.id: .*[Uu][Uu][Ii][Dd]"):
        await client.Echo(stubs.EchoRequest(painting=stubs.Painting()))


async def test_a_stream_comes_item_by_item_and_says_how_it_broke_off(served: Served, stubs: Any) -> None:
    client = stubs.client(served.channel)
    assert [price.amount async for price in client.Prices(stubs.PricesRequest(count=3))] == ["0", "1", "2"]
    got = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for price in client.Prices(stubs.PricesRequest(count=3, broken_at=2)):
            got.append(price.amount)
    assert got == ["0", "1"]
    assert details(caught.value)[1].reason == "TAKEN"


async def test_a_stream_that_nobody_reads_is_not_made_and_stops_when_the_client_goes(
    open_gallery: Served, stubs: Any
) -> None:
    walls, client = open_gallery.walls, stubs.client(open_gallery.channel)
    call = client.Prices(stubs.PricesRequest(count=10**9, digits=4000))
    assert len((await call.read()).amount) == 4000
    made = -1
    while made != walls.made:  # it fills what lies between the two, and then waits
        made = walls.made
        await asyncio.sleep(0.2)
    assert made < 10**5
    call.cancel()
    await until(lambda: walls.stopped == 1)


# ---------------------------------------------------------------------- errors


async def test_a_fault_comes_with_its_fields_under_a_code_that_fits(served: Served, stubs: Any) -> None:
    client = stubs.client(served.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.Buy(stubs.BuyRequest(title="sold"), metadata=served.as_caller(user("ann"), "k"))
    code, info, (beside,) = details(caught.value)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert (info.domain, info.reason) == ("gallery", "TAKEN")
    taken = stubs.Taken()
    assert beside.Unpack(taken)
    assert (taken.painting, taken.buyer) == ("sold", "Ann")


async def test_a_bug_is_told_without_its_cause(open_gallery: Served, stubs: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stubs.client(open_gallery.channel).Broken(stubs.BrokenRequest())
    code, info, _ = details(caught.value)
    assert (code, info.reason) == (grpc.StatusCode.INTERNAL, "FAILED")
    assert "42" not in f"{caught.value!r}{info}"


# ---------------------------------------------------------------------- who may ask


async def test_who_asks_is_told_by_a_token_as_over_http(served: Served, stubs: Any) -> None:
    client = stubs.client(served.channel)
    me = await client.Me(stubs.MeRequest(), metadata=served.as_caller(user("ann")), timeout=7)
    assert me.result == "user:ann ['user'] 7"
    assert await failing(client.Me(stubs.MeRequest())) == (grpc.StatusCode.UNAUTHENTICATED, "NOT_AUTHENTICATED")
    forged = [("authorization", "Bearer x.y.z")]
    assert (await failing(client.Page(stubs.PageRequest(), metadata=forged)))[0] is grpc.StatusCode.UNAUTHENTICATED
    assert (await failing(client.Page(stubs.PageRequest(), metadata=[("authorization", "Basic eDp5")])))[0] is (
        grpc.StatusCode.UNAUTHENTICATED
    )


async def test_only_what_has_a_route_is_open_and_only_to_whom_it_allows(open_gallery: Served, stubs: Any) -> None:
    client, ann = stubs.client(open_gallery.channel), open_gallery.as_caller(user("ann"), "k")
    denied = (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
    assert await failing(client.Burn(stubs.BurnRequest(title="x"), metadata=ann)) == denied
    admin = open_gallery.as_caller(user("eve", "admin"), "k")
    assert await failing(client.Move(stubs.MoveRequest(title="x", room="y"), metadata=admin)) == denied
    assert await failing(client.SignIn(stubs.SignInRequest(password="open"))) == denied
    assert open_gallery.walls.bought == []
    await client.Burn(stubs.BurnRequest(title="x"), metadata=admin)
    assert open_gallery.walls.bought == ["burnt x"]


@pytest.mark.parametrize("metadata", [
    [("craton-peer", "x" * 80)], [("craton-peer", "")], [("craton-caller", "forged")], [("craton-peer", "#")],
])
async def test_who_says_that_it_is_a_service_must_show_it(
    open_gallery: Served, stubs: Any, metadata: list[tuple[str, str]]
) -> None:
    call = stubs.client(open_gallery.channel).Move(stubs.MoveRequest(title="x", room="y"), metadata=metadata)
    assert (await failing(call))[0] in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    own = open_gallery.channel.unary_unary("/craton.Peer/paintings.saga-status")
    assert (await failing(own(b"", metadata=metadata)))[0] is grpc.StatusCode.UNAUTHENTICATED


# ---------------------------------------------------------------------- keys, deadlines, cancellation


async def test_a_command_needs_a_key_and_is_done_once_under_it(served: Served, stubs: Any) -> None:
    client, ann = stubs.client(served.channel), user("ann")
    request = stubs.BuyRequest(title="Sea")
    assert await failing(client.Buy(request, metadata=served.as_caller(ann))) == (
        grpc.StatusCode.INVALID_ARGUMENT, "KEY_MISSING",
    )
    answers = [(await client.Buy(request, metadata=served.as_caller(ann, "k"))).result for _ in range(2)]
    assert answers == [1, 1]
    other = client.Buy(stubs.BuyRequest(title="Land"), metadata=served.as_caller(ann, "k"))
    assert await failing(other) == (grpc.StatusCode.FAILED_PRECONDITION, "KEY_REUSED")
    assert (await client.Buy(request, metadata=served.as_caller(user("bob"), "k"))).result > 1


async def test_a_query_stops_when_its_client_goes_or_its_deadline_passes(open_gallery: Served, stubs: Any) -> None:
    walls, client = open_gallery.walls, stubs.client(open_gallery.channel)
    call = client.Wait(stubs.WaitRequest())
    await until(lambda: walls.began == 1)
    call.cancel()
    await until(lambda: walls.stopped == 1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.Wait(stubs.WaitRequest(), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: walls.stopped == walls.began)


async def test_a_command_goes_on_when_its_client_goes(open_gallery: Served, stubs: Any) -> None:
    walls, client = open_gallery.walls, stubs.client(open_gallery.channel)
    call = client.Slowly(stubs.SlowlyRequest(title="Sea"), metadata=[("idempotency-key", "k")])
    await until(lambda: walls.began == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    walls.door.set()
    await until(lambda: walls.bought == ["Sea"])
    again = await client.Slowly(stubs.SlowlyRequest(title="Sea"), metadata=[("idempotency-key", "k")])
    assert again.result == 1


# ---------------------------------------------------------------------- reflection and health


async def test_reflection_alone_is_enough_to_call(served: Served) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", served.channel))

    async def asked(**question: Any) -> Any:
        async for answer in stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**question)])):
            return answer

    listed = (await asked(list_services="")).list_services_response
    assert {one.name for one in listed.service} >= {SERVICE, "grpc.health.v1.Health"}
    found = (await asked(file_containing_symbol=SERVICE)).file_descriptor_response
    pool = DescriptorPool()
    for data in reversed([FileDescriptorProto.FromString(data) for data in found.file_descriptor_proto]):
        pool.Add(data)
    method = pool.FindServiceByName(SERVICE).methods_by_name["Seen"]
    request = GetMessageClass(method.input_type)(title="Ann")
    call = served.channel.unary_unary(f"/{SERVICE}/Seen", type(request).SerializeToString)
    response: Any = GetMessageClass(method.output_type).FromString(await call(request))
    assert list(response.result) == ["Ann"]


async def test_health_is_told_until_the_server_drains(tmp_path: Path) -> None:
    async with serving(f"unix:{tmp_path}/s") as found:
        stub: Any = health_pb2_grpc.HealthStub(found.channel)
        for name in ("", SERVICE):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        closing = asyncio.create_task(found.server.__aexit__())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        await closing


async def test_a_running_call_is_answered_before_the_server_leaves(open_gallery: Served, stubs: Any) -> None:
    walls, client = open_gallery.walls, stubs.client(open_gallery.channel)
    call = client.Wait(stubs.WaitRequest())
    await until(lambda: walls.began == 1)
    closing = asyncio.create_task(open_gallery.server.__aexit__())
    await asyncio.sleep(0)
    walls.door.set()
    assert (await call).result == 1
    await closing


# ---------------------------------------------------------------------- limits and TLS


async def test_who_asks_too_often_is_told_to_wait(tmp_path: Path, stubs: Any) -> None:
    async with serving("127.0.0.1:0", CRATON_EDGE_RATE="0.01", CRATON_EDGE_BURST="2") as found:
        client = stubs.client(found.channel)
        for _ in range(2):
            await client.Nothing(stubs.NothingRequest())
        refused = (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS")
        assert await failing(client.Nothing(stubs.NothingRequest())) == refused
        await client.Me(stubs.MeRequest(), metadata=found.as_caller(user("ann")))  # who has a token counts alone
        guest = found.as_caller(Caller("guest:1"))  # but for guests, since anybody may be as many as they like
        assert await failing(client.Nothing(stubs.NothingRequest(), metadata=guest)) == refused


@pytest.mark.parametrize(("peer", "address"), [
    ("ipv4:10.0.0.7:41234", "10.0.0.7"), ("ipv6:%5B2001:db8::1%5D:41234", "2001:db8::/64"), ("unix:", ""),
])
def test_who_has_no_token_counts_by_address(peer: str, address: str) -> None:
    assert address_of(peer) == address


async def test_a_request_may_be_no_larger_than_over_http(tmp_path: Path, stubs: Any) -> None:
    async with serving(f"unix:{tmp_path}/s", CRATON_EDGE_BODY="100") as found:
        call = stubs.client(found.channel).Seen(stubs.SeenRequest(title="x" * 200))
        assert await failing(call) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE")


async def test_between_machines_the_server_shows_its_certificate(tmp_path: Path, stubs: Any) -> None:
    certs(tmp_path / "tls", ["gallery"], hosts=["127.0.0.1"])
    tls = tls_of(str(tmp_path / "tls"), "gallery")
    authority = grpc.ssl_channel_credentials((tmp_path / "tls/ca.crt").read_bytes())
    async with serving("127.0.0.1:0", tls=tls) as found:
        async with grpc.aio.secure_channel(found.server.address, authority) as channel:
            assert (await stubs.client(channel).Seen(stubs.SeenRequest())).result == ["nobody"]
        with pytest.raises(grpc.aio.AioRpcError):
            await stubs.client(found.channel).Seen(stubs.SeenRequest(), timeout=2)  # without TLS
        assert (await asked_by_a_service(found, peer="gallery", tls=tls)).status == "ok"
        with pytest.raises(NotRun, match="failed to connect"):
            await asked_by_a_service(found, peer="another", tls=tls)
        with pytest.raises(NotRun, match="failed to connect"):
            await asked_by_a_service(found, peer="gallery", tls=None)


async def asked_by_a_service(found: Served, *, peer: str, tls: Protection) -> Reply:
    """What a service is answered that takes the other for `peer`."""
    link = GrpcLink(
        [found.server.address], schema_of(gallery), secret=SECRET, service="operator", needs=frozenset({"paintings"}),
        peer=peer, tls=tls,
    )
    try:
        return await link.send(Request("paintings.seen", b"\x80", timeout=5))
    finally:
        await link.close()


def test_an_address_that_others_can_reach_is_not_left_unprotected() -> None:
    with pytest.raises(SettingsError, match="nothing protects it"):
        server_credentials("0.0.0.0:0", None)
    assert server_credentials("0.0.0.0:0", "off") is None

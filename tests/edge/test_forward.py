"""What the gateway passes on arrives as it was sent, comes back as it was answered, and ends when either side does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.typing import Subprotocol

from craton.edge.forward import Forward, host_of
from craton.edge.gate import Gate
from craton.edge.places import Places
from craton.edge.rest import Edge, Resource
from craton.edge.server import serve_http
from craton.edge.settings import EdgeSettings
from craton.edge.talk import talk
from tests.until import until


class Behind:
    """The service behind: it says what it got. `go` lets its slow answers go on; `stopped` counts those cut off."""

    def __init__(self) -> None:
        self.asked, self.go, self.stopped, self.pieces = 0, asyncio.Event(), 0, list[bytes]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        request = Request(scope, receive)
        response: Response = await getattr(self, scope["path"].split("/")[1])(request)
        await response(scope, receive, send)

    async def echo(self, request: Request) -> Response:
        headers = [[n.decode(), v.decode()] for n, v in request.scope["headers"]]
        body = (await request.body()).decode()
        url = request.scope["raw_path"].decode() + "?" + request.scope["query_string"].decode()
        said = {"method": request.method, "url": url, "headers": headers, "body": body}
        return JSONResponse(said, 203, {"X-Twice": "1", "Set-Cookie": "a=b"})

    async def large(self, request: Request) -> Response:
        return Response(b"x" * 3_000_000)

    async def nothing(self, request: Request) -> Response:
        return Response(status_code=204)

    async def early(self, request: Request) -> Response:
        return Response(b"enough", 413, {"Connection": "close"})

    async def upload(self, request: Request) -> Response:
        async for piece in request.stream():
            self.pieces += [piece] if piece else []
        return Response(b"%d" % sum(map(len, self.pieces)))

    async def slow(self, request: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            yield b"first\n"
            try:
                await self.go.wait()
            except BaseException:
                self.stopped += 1
                raise
            yield b"second\n"

        return StreamingResponse(lines())

    async def breaks(self, request: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            yield b"first\n"
            raise RuntimeError("a bug")

        return StreamingResponse(lines())



def behind_an_edge(app: ASGIApp) -> ASGIApp:
    """An edge that has nothing but this."""
    return Edge(Gate(EdgeSettings()), Places[Resource](), app)


@asynccontextmanager
async def gateway(folder: Path, *behind: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in front of replicas, each at a Unix socket but the first, and a client of it."""
    async with AsyncExitStack() as stack:
        places = [f"127.0.0.1:{await stack.enter_async_context(serve_http(behind[0], '127.0.0.1:0'))}"]
        for n, app in enumerate(behind[1:]):
            places.append(f"unix:{folder}/{n}")
            await stack.enter_async_context(serve_http(app, places[-1]))
        forward = await stack.enter_async_context(Forward(places))
        port = await stack.enter_async_context(serve_http(forward, "127.0.0.1:0"))
        yield await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}"))


async def test_a_request_arrives_as_it_was_sent_and_its_answer_as_well(tmp_path: Path) -> None:
    async with gateway(tmp_path, Behind()) as http:
        sent = {"X-One": "1", "Connection": "X-Hop", "X-Hop": "secret", "X-Forwarded-For": "1.2.3.4", "Host": "shop"}
        answer = await http.patch("/echo/a%2Fb?q=%20", content=b"hello", headers=sent)
        said, headers = answer.json(), dict(answer.json()["headers"])
        assert (answer.status_code, answer.headers["x-twice"], answer.headers["set-cookie"]) == (203, "1", "a=b")
        assert (said["method"], said["url"], said["body"]) == ("PATCH", "/echo/a%2Fb?q=%20", "hello")
        assert headers["x-one"] == "1" and "x-hop" not in headers and headers["host"] == "shop"
        assert headers["x-forwarded-for"] == "1.2.3.4, 127.0.0.1"
        assert (headers["x-forwarded-proto"], headers["x-forwarded-host"]) == ("http", "shop")
        assert len(answer.headers.get_list("date")) == 1


async def test_no_body_is_read_as_the_next_request(tmp_path: Path) -> None:
    hidden = b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
    behind = Behind()
    async with gateway(tmp_path, behind) as http:
        sent = {"Connection": "keep-alive, Content-Length, Host", "Host": "shop"}
        said = (await http.post("/echo", content=hidden, headers=sent)).json()
        assert said["body"] == hidden.decode() and dict(said["headers"])["host"] == "shop"
        assert (await http.post("/echo", content=b"after that")).json()["body"] == "after that"
    assert behind.asked == 2


async def test_bodies_of_every_kind_pass(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"y" * 10_000

    behind = Behind()
    async with gateway(tmp_path, behind) as http:
        assert len((await http.get("/large")).content) == 3_000_000
        assert (await http.post("/upload", content=pieces())).text == "500000"
        assert len(behind.pieces) > 1
        head = await http.head("/large")
        assert (head.headers["content-length"], head.content) == ("3000000", b"")
        assert (await http.get("/nothing")).status_code == 204
        early = await http.post("/early", content=b"z" * 5_000_000)
        assert (early.status_code, early.text) == (413, "enough")
        assert (await http.post("/echo", content=b"after that")).json()["body"] == "after that"


async def test_an_answer_passes_piece_by_piece_and_ends_where_the_service_breaks_off(tmp_path: Path) -> None:
    behind = Behind()
    async with gateway(tmp_path, behind) as http:
        async with http.stream("GET", "/slow") as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "first"
            behind.go.set()
            assert await anext(lines) == "second"
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/breaks")


async def test_the_service_hears_that_the_client_has_gone(tmp_path: Path) -> None:
    behind = Behind()
    async with gateway(tmp_path, behind) as http, http.stream("GET", "/slow") as answer:
        assert await anext(answer.aiter_lines()) == "first"
        await answer.aclose()
        await until(lambda: behind.stopped == 1)


async def test_the_least_busy_replica_is_asked_and_one_that_is_away_is_passed_over(tmp_path: Path) -> None:
    one, two = Behind(), Behind()
    async with gateway(tmp_path, one, two) as http:
        async with http.stream("GET", "/slow") as answer:
            assert await anext(answer.aiter_lines()) == "first"
            for _ in range(3):
                await http.get("/echo")
            assert sorted((one.asked, two.asked)) == [1, 3]
            one.go.set()
            two.go.set()
    forward = Forward([f"unix:{tmp_path}/nobody", f"unix:{tmp_path}/1"])
    async with serve_http(Behind(), f"unix:{tmp_path}/1"), forward:
        transport = httpx.ASGITransport(behind_an_edge(forward))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
            assert (await http.get("/echo")).status_code == 203


async def test_nobody_there_is_told_with_when_to_come_again(tmp_path: Path) -> None:
    async with Forward([f"unix:{tmp_path}/nobody"]) as forward:
        transport = httpx.ASGITransport(behind_an_edge(forward))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
            answer = await http.post("/echo")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "urn:craton:problem:not-run"


async def test_a_service_that_dies_with_a_command_leaves_its_outcome_unknown(tmp_path: Path) -> None:
    async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_unix_server(dies, f"{tmp_path}/s")
    async with server, Forward([f"unix:{tmp_path}/s"]) as forward:
        transport = httpx.ASGITransport(behind_an_edge(forward))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
            assert (await http.post("/echo")).json()["type"] == "urn:craton:problem:outcome-unknown"
            assert (await http.get("/echo")).json()["type"] == "urn:craton:problem:not-run"


async def test_connections_are_used_again_and_closed_ones_are_not(tmp_path: Path) -> None:
    forward = Forward([f"unix:{tmp_path}/s"])
    transport = httpx.ASGITransport(behind_an_edge(forward))
    async with forward, httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
        for _ in range(2):  # the service is started again in between
            async with serve_http(Behind(), f"unix:{tmp_path}/s"):
                for _ in range(3):
                    assert (await http.post("/echo", content=b"a")).status_code == 203
                assert len(forward.places[0].idle) == 1
            await until(lambda: not forward.places[0].idle[0].is_open())


async def test_a_request_whose_body_is_gone_is_not_repeated(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            for answer in (b"HTTP/1.1 204 No Content\r\n\r\n", b""):
                heard.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
        writer.close()
        ended.append(True)

    forward, ended = Forward([f"unix:{tmp_path}/s"]), list[bool]()
    transport = httpx.ASGITransport(behind_an_edge(forward))
    async with await asyncio.start_unix_server(answers_once, f"{tmp_path}/s"):
        async with forward, httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
            answers = [await http.request("GET", "/", content=body) for body in (b"", b"a body", b"", b"")]
        await until(lambda: len(ended) == 3)
    assert [answer.status_code for answer in answers] == [204, 503, 204, 204]
    assert len(heard) == 5  # the last one was repeated, over another connection


async def test_websockets_pass_both_ways_with_what_was_agreed_and_how_they_ended(tmp_path: Path) -> None:
    async def talks(scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        await socket.accept(subprotocol=scope["subprotocols"][0])
        await socket.send_text(f"{scope['path']} {scope['query_string'].decode()} {socket.headers['x-forwarded-for']}")
        await socket.send_bytes(await socket.receive_bytes())
        heard.append((await socket.receive())["type"]) if scope["path"] == "/b" else await socket.close(4001, "enough")

    heard: list[str] = []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve_http(talks, f"unix:{tmp_path}/s", websockets=True))
        forward = await stack.enter_async_context(Forward([f"unix:{tmp_path}/s"]))
        port = await stack.enter_async_context(serve_http(forward, "127.0.0.1:0", websockets=True))
        for path in ("a", "b"):
            async with connect(f"ws://127.0.0.1:{port}/{path}?q=1", subprotocols=[Subprotocol("chat")]) as socket:
                assert (socket.subprotocol, await socket.recv()) == ("chat", f"/{path} q=1 127.0.0.1")
                await socket.send(b"\x00" * 100_000)
                assert await socket.recv() == b"\x00" * 100_000
                if path == "a":
                    with pytest.raises(ConnectionClosedError):
                        await socket.recv()
                    assert (socket.close_code, socket.close_reason) == (4001, "enough")
        await until(lambda: heard == ["websocket.disconnect"])


async def test_a_websocket_to_nobody_is_refused(tmp_path: Path) -> None:
    async with Forward([f"unix:{tmp_path}/s"]) as forward:
        async with serve_http(forward, "127.0.0.1:0", websockets=True) as port:
            with pytest.raises(InvalidStatus):
                await connect(f"ws://127.0.0.1:{port}/")


@pytest.mark.parametrize("host", ["me@shop", "shop/path?", "shop:1:2", "[::1", "", "sh op", "shöp"])
async def test_a_websocket_for_what_is_no_host_is_refused(host: str) -> None:
    said: list[str] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        said.append(f"{message['type']} {message['code']}")

    scope = {"type": "websocket", "headers": [(b"host", host.encode("latin-1"))]}
    await talk("unix:/nowhere", scope, receive, send)
    assert said == ["websocket.close 1008"]


@pytest.mark.parametrize("address, found", [
    ("web:8000", ("web", 8000, False)), ("[::1]:80", ("::1", 80, False)), ("http://web", ("web", 80, False)),
    ("https://web", ("web", 443, True)), ("https://[::1]:8443", ("::1", 8443, True)),
])
def test_an_address_may_be_written_as_a_url(address: str, found: tuple[str, int, bool]) -> None:
    assert host_of(address) == found

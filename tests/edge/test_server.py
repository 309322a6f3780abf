"""The HTTP server is a part of a process: it takes a port, answers, drains, and touches nothing else."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from craton.edge.server import serve_http
from craton.edge.settings import EdgeSettings
from craton.errors import SettingsError
from craton.run.certs import certs
from tests.edge.desk import Service, app_of
from tests.until import until


class Slow:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        await self.go.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


async def test_it_serves_at_a_port_that_the_system_chose() -> None:
    async with serve_http(app_of(Service()), "127.0.0.1:0") as port, httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{port}/stock/abc")
    assert port > 0
    assert (answer.status_code, answer.json()) == (200, 3)
    assert "server" not in answer.headers


async def test_a_request_in_progress_is_answered_before_it_stops_and_no_new_one_is_taken() -> None:
    app = Slow()
    async with httpx.AsyncClient() as http, AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve_http(app, "127.0.0.1:0"))
        asking = asyncio.create_task(http.get(f"http://127.0.0.1:{port}/"))
        await app.asked.wait()
        closing = asyncio.create_task(stack.aclose())
        await asyncio.sleep(0.3)
        with pytest.raises(httpx.ConnectError):
            await http.get(f"http://127.0.0.1:{port}/")
        assert not closing.done()
        app.go.set()
        assert (await asking).status_code == 204
        await closing


async def test_it_does_not_wait_for_ever() -> None:
    app = Slow()
    async with httpx.AsyncClient() as http, AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve_http(app, "127.0.0.1:0", drain=1))
        asking = asyncio.create_task(http.get(f"http://127.0.0.1:{port}/"))
        await app.asked.wait()
        async with asyncio.timeout(5):
            await stack.aclose()
        with pytest.raises(httpx.HTTPError):
            (await asking).raise_for_status()


async def test_signal_handlers_stay_as_they_are() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serve_http(app_of(Service()), "127.0.0.1:0"):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_an_address_that_is_taken_is_refused_with_what_to_do() -> None:
    async with serve_http(app_of(Service()), "127.0.0.1:0") as port:
        with pytest.raises(SettingsError, match=r"cannot serve HTTP at .*; choose another address"):
            async with serve_http(app_of(Service()), f"127.0.0.1:{port}"):
                pass


@pytest.mark.parametrize("address", ["", "localhost", "localhost:http", "localhost:70000", "localhost:-1"])
async def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="write it as host:port"):
        async with serve_http(app_of(Service()), address):
            pass


async def lines_of(reader: asyncio.StreamReader) -> list[Any]:
    return (await reader.read()).split(b"\r\n")


async def test_a_stream_that_breaks_off_reaches_the_client_without_its_end() -> None:
    async with serve_http(app_of(Service()), "127.0.0.1:0") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /lines?count=1&fails=true HTTP/1.1\r\nHost: edge\r\n\r\n")
        lines = await lines_of(reader)
        writer.close()
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b'{"sku":"a","quantity":0}\n' in lines and b"0" not in lines


async def test_a_query_is_stopped_when_its_connection_is_closed() -> None:
    service = Service()
    async with serve_http(app_of(service), "127.0.0.1:0") as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /wait HTTP/1.1\r\nHost: edge\r\n\r\n")
        await until(lambda: bool(service.seen))
        writer.close()
        async with asyncio.timeout(5):
            await service.shelf.stopped.wait()


async def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    async with serve_http(app_of(Service()), "127.0.0.1:0") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /ask HTTP/1.1\r\nHost: edge\r\nContent-Length: 99999999999\r\n\r\n")
        writer.write(b" " * ((1 << 20) + 1))
        lines = await lines_of(reader)
        writer.close()
    assert lines[0].startswith(b"HTTP/1.1 413 ")


async def raw(port: int, *parts: bytes, ssl: Any = None) -> tuple[bytes, dict[str, Any]]:
    """What the server answers to bytes, until it closes the connection: the head, and the problem."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ssl)
    for part in parts:
        writer.write(part)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head.lower(), json.loads(body) if body else {}


@pytest.mark.parametrize(
    ("request_", "status", "kind"),
    [
        (b"GET /stock/abc HTTP/1.1\r\nBroken\r\n\r\n", 400, "malformed"),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 40_000 + b"\r\n\r\n", 431, "head-too-large"),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n", 431, "head-too-large"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10_000, 431, "head-too-large"),
    ],
)
async def test_what_is_no_request_is_refused_with_a_problem(request_: bytes, status: int, kind: str) -> None:
    async with serve_http(app_of(Service()), "127.0.0.1:0") as port:
        head, problem = await raw(port, request_)
    assert head.startswith(b"http/1.1 %d " % status) and head.count(b"connection: close") == 1
    assert b"content-type: application/problem+json" in head
    assert (problem["type"], problem["status"]) == (f"urn:craton:problem:{kind}", status)


@pytest.mark.parametrize("request_", [
    b"GET / HTTP/1.1\r\nA: ", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ",
])
async def test_a_header_without_an_end_is_not_kept_for_long(request_: bytes) -> None:
    async with serve_http(app_of(Service()), "127.0.0.1:0") as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_)
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                writer.write(b"a" * (1 << 16))
                await writer.drain()
        writer.close()


async def test_a_wish_for_a_protocol_that_is_not_spoken_here_changes_nothing() -> None:
    async def tells(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        await Response(scope["method"].encode() + b" " + body)(scope, receive, send)

    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n"
    asked = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n%b\r\n%b"
    async with serve_http(tells, "127.0.0.1:0", websockets=True) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked % (wish, b"hel"))
        await asyncio.sleep(0)
        writer.write(b"lo" + asked % (wish, b"again") + asked % (b"Connection: close\r\n", b"twice"))
        answer = await reader.read()
        writer.close()
    assert [text in answer for text in (b"POST hello", b"POST again", b"POST twice")] == [True] * 3


async def test_who_takes_too_long_to_ask_is_told_so() -> None:
    impatient = EdgeSettings(patience=0.2)
    async with serve_http(app_of(Service(), settings=impatient), "127.0.0.1:0", settings=impatient) as port:
        slow, half = await asyncio.gather(
            raw(port, b"GET /stock/abc HT"),
            raw(port, b"POST /ask HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"),
        )
    assert slow[1]["status"] == half[1]["status"] == 408


async def test_connections_are_kept_and_requests_may_follow_without_waiting() -> None:
    async with serve_http(app_of(Service()), "127.0.0.1:0") as port:
        last = b"GET /stock/abcd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /stock/abc HTTP/1.1\r\nHost: a\r\n\r\n" * 3 + last)
        answer = await reader.read()
        writer.close()
    assert answer.count(b"HTTP/1.1 200 OK") == 4 and answer.endswith(b"4")


async def test_too_many_connections_are_refused() -> None:
    few = EdgeSettings(connections=1)
    async with serve_http(app_of(Service()), "127.0.0.1:0", settings=few) as port, httpx.AsyncClient() as http:
        assert (await http.get(f"http://127.0.0.1:{port}/stock/abc")).status_code == 200
        head, problem = await raw(port)
    assert head.startswith(b"http/1.1 503 ") and b"retry-after: 1" in head
    assert problem["type"] == "urn:craton:problem:not-run"


async def test_a_header_that_holds_the_end_of_a_line_is_never_sent() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nset-cookie: c")]})
        await send({"type": "http.response.body"})

    async with serve_http(app, "127.0.0.1:0") as port:
        head, _ = await raw(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"set-cookie" not in head


async def test_what_an_application_does_not_answer_is_answered_with_a_problem() -> None:
    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("oh")

    async def forgets(scope: Scope, receive: Receive, send: Send) -> None:
        return

    for app in (breaks, forgets):
        async with serve_http(app, "127.0.0.1:0") as port:
            head, problem = await raw(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert head.startswith(b"http/1.1 500 ") and problem["type"] == "urn:craton:problem:failed"


async def test_it_speaks_tls_and_says_that_browsers_must_keep_to_it(tmp_path: Path) -> None:
    certs(tmp_path, ["front"], hosts=["127.0.0.1"])
    settings = EdgeSettings(certificate=f"{tmp_path}/front.crt", key=f"{tmp_path}/front.key")
    trusted = ssl.create_default_context(cafile=f"{tmp_path}/ca.crt")
    app = app_of(Service(), settings=settings)
    async with serve_http(app, "127.0.0.1:0", settings=settings) as port, httpx.AsyncClient(verify=trusted) as http:
        answer = await http.get(f"https://127.0.0.1:{port}/stock/abc")
        assert (answer.json(), answer.headers["strict-transport-security"]) == (3, "max-age=31536000")
        old = ssl.create_default_context(cafile=f"{tmp_path}/ca.crt")
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert (await raw(port, b"GET / HTTP/1.0\r\n\r\n", ssl=old))[1]["status"] == 404


async def test_a_certificate_that_cannot_be_read_is_told() -> None:
    settings = EdgeSettings(certificate="/nowhere.crt", key="/nowhere.key")
    with pytest.raises(SettingsError, match="TLS with /nowhere"):
        async with serve_http(app_of(Service()), "127.0.0.1:0", settings=settings):
            pass

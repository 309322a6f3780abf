"""The HTTP server is a part of a process: it takes a port, answers, drains, and touches nothing else."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from craton.edge.server import serve_http
from craton.errors import SettingsError
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

"""A gateway in front of services that only say what reached them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import httpx
from starlette.types import Receive, Scope, Send

from craton import Application, Module, command, query
from craton.edge.server import serve_http
from craton.edge.settings import EdgeSettings
from craton.run.child import Child, Program
from craton.run.folder import free_port
from craton.run.gateway.envoy import Envoy
from craton.run.gateway.process import command as envoy_command
from craton.run.gateway.process import drain, put
from craton.run.gateway.settings import GatewaySettings
from craton.topology import Service, Topology


class Stock(Protocol):
    """Asked by two paths that fit alike, one of them fixed."""

    @query(get="/stock/{sku}", allow="anyone")
    async def left(self, sku: str) -> int: ...

    @query(get="/stock/low", allow="anyone")
    async def low(self) -> int: ...

    @command(post="/stock/{sku}/add", allow="anyone")
    async def add(self, sku: str, quantity: int) -> None: ...


class Prices(Protocol):
    """Shares a path with another module."""

    @command(put="/stock/{sku}", allow="anyone")
    async def change(self, sku: str, price: int) -> None: ...

    @query(get="/prices", allow="anyone")
    async def prices(self) -> int: ...


NOWHERE = "tests.run.nowhere:Nothing"
FRONT = Application("front", [
    Module("stock", Stock, NOWHERE), Module("prices", Prices, NOWHERE),
    Module("pages", asgi=NOWHERE, path="/"), Module("office", asgi=NOWHERE, path="/office"),
])
SPLIT = Topology("split", tuple(Service(module.name, (module.name,)) for module in FRONT.modules))


class Echo:
    """A service: it answers with what it got. `/…?sleep=` and `?status=` are obeyed; `taken` counts requests."""

    def __init__(self, name: str) -> None:
        self.name, self.taken = name, list[str]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or say over a WebSocket who it is."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": self.name})
            return
        asked = dict(pair.split("=") for pair in scope["query_string"].decode().split("&") if "=" in pair)
        if scope["path"] != "/health/ready":
            self.taken.append(f"{scope['method']} {scope['path']}")
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        await asyncio.sleep(float(asked.get("sleep", 0)))
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        told = {"service": self.name, "path": scope["path"], "size": size, "headers": headers}
        await send({"type": "http.response.start", "status": int(asked.get("status", 200)), "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


class Fronted:
    """An Envoy that runs, and what it has said."""

    def __init__(self, envoy: Envoy, folder: Path, running: asyncio.Task[None], *, said: list[str]) -> None:
        self.envoy, self.folder, self.running, self.said = envoy, folder, running, said
        self.url = f"http://{envoy.listen}"

    def stop(self) -> None:
        """Ask it to stop, as the supervisor does."""
        self.running.cancel()

    def log(self) -> list[dict[str, Any]]:
        """The requests in its access log."""
        return [json.loads(line) for line in self.said if line.startswith("{")]


@asynccontextmanager
async def echoes(*names: str) -> AsyncIterator[dict[str, tuple[Echo, str]]]:
    """Some services, and where each answers."""
    async with AsyncExitStack() as stack:
        found = {}
        for name in names:
            echo = Echo(name)
            port = await stack.enter_async_context(serve_http(echo, "127.0.0.1:0", websockets=True))
            found[name] = (echo, f"127.0.0.1:{port}")
        yield found


@asynccontextmanager
async def fronted(
    folder: Path, services: Mapping[str, tuple[str, ...]], *, edge: EdgeSettings | None = None, **settings: Any,
) -> AsyncIterator[Fronted]:
    """An Envoy in front of services at these addresses."""
    envoy = Envoy(
        application=FRONT, topology=SPLIT, services=services, listen=f"127.0.0.1:{free_port()}",
        settings=GatewaySettings(**{"admin": free_port(), **settings}), edge=edge or EdgeSettings(),
    )
    put(envoy, folder)
    said: list[str] = []
    ending = partial(drain, envoy.settings.admin, seconds=10)
    program = Program("gateway", envoy_command(folder, threads=1), {}, drain=ending)
    running = asyncio.create_task(Child(program, lambda name, line: said.append(line), patience=15).run())
    try:
        await answering(envoy, said)
        yield Fronted(envoy, folder, running, said=said)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def answering(envoy: Envoy, said: list[str]) -> None:
    """Wait until it takes requests."""
    scheme = "https" if envoy.edge.certificate else "http"
    async with asyncio.timeout(20), httpx.AsyncClient(verify=False) as client:
        while True:
            try:
                if (await client.get(f"{scheme}://{envoy.listen}/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                assert not any("error" in line.lower() for line in said), said
            await asyncio.sleep(0.05)

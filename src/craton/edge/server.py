"""The HTTP server of one process: uvicorn without signal handlers, opened and closed like any other part."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from msgspec.structs import replace
from starlette.types import ASGIApp

from craton.edge.protocol import Protocol
from craton.edge.settings import EdgeSettings
from craton.errors import SettingsError

DRAIN_SECONDS = 10
ACCEPTED = 16
"""Connections that are accepted in one turn of the event loop: uvloop takes one of each socket that listens, and where
many come, those behind it would not even be told that there is no room."""
IDLE_SECONDS = 75
"""How long a connection stays open unused: longer than what gateways and load balancers keep theirs (often 60)."""


class Server(uvicorn.Server):
    """A server that says when it is up, and leaves signals to the process that it is part of."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so; `started` tells whether it could."""
        try:
            await super().startup(sockets)
        finally:
            self.up.set()


@asynccontextmanager
async def serve_http(
    app: ASGIApp, address: str, *, drain: float = DRAIN_SECONDS, settings: EdgeSettings | None = None,
    websockets: bool = False,
) -> AsyncIterator[int]:
    """Serve at "host:port" and give the port, which the system chooses for 0; or at "unix:/path", and give 0.

    Leaving it takes no new connections, and waits up to `drain` seconds for the requests in progress.
    """
    settings = settings or EdgeSettings()
    if address.startswith("unix:"):  # who is at the other end is on this machine
        settings = replace(settings, certificate="", key="")
    with listen(address) as listening:
        config = config_of(app, drain=drain, settings=settings, websockets=websockets)
        server = Server(config)
        sockets = [listening, *(listening.dup() for _ in range(ACCEPTED - 1))]
        running = asyncio.create_task(server.serve(sockets=sockets), name=f"http {address}")
        try:
            await server.up.wait()
            if not server.started:
                await running
            yield 0 if listening.family is socket.AF_UNIX else listening.getsockname()[1]
        finally:
            server.should_exit = True
            await running


def config_of(app: ASGIApp, *, drain: float, settings: EdgeSettings, websockets: bool) -> uvicorn.Config:
    """A server that adds nothing of its own: no log format, no banner, no lifespan."""
    config = uvicorn.Config(
        app, http=limited(settings), lifespan="off", log_config=None, access_log=False, server_header=False,
        ws="websockets-sansio" if websockets else "none",  # who has no use for them does not load them
        proxy_headers=False, timeout_keep_alive=IDLE_SECONDS, timeout_graceful_shutdown=max(1, round(drain)),
        ssl_certfile=settings.certificate or None, ssl_keyfile=settings.key or None,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"TLS with {settings.certificate} and {settings.key}: {error}.") from error
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        config.ssl.set_alpn_protocols(["http/1.1"])
    return config


def limited(settings: EdgeSettings) -> type[Protocol]:
    """The protocol with these limits, in the form that uvicorn wants."""
    limits = dict(
        head_limit=settings.head, head_seconds=settings.patience, most_connections=settings.connections,
    )
    return type("Limited", (Protocol,), limits)


def listen(address: str) -> socket.socket:
    """A socket that listens at "host:port", at "[::1]:port", or at "unix:/path"."""
    if address.startswith("unix:"):
        return listen_unix(address.removeprefix("unix:"))
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdecimal() and int(port) < 2**16):
        raise SettingsError(f"{address} is no address for HTTP: write it as host:port, such as 127.0.0.1:8000.")
    try:
        return socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SettingsError(f"cannot serve HTTP at {address}: {error.strerror}; choose another address.") from error


def listen_unix(path: str) -> socket.socket:
    """A Unix socket that listens; what a process that died has left there is removed."""
    made = socket.socket(socket.AF_UNIX)
    try:
        Path(path).unlink(missing_ok=True)
        made.bind(path)
        made.listen(100)
    except OSError as error:
        made.close()
        raise SettingsError(f"cannot serve HTTP at unix:{path}: {error.strerror}; choose another address.") from error
    return made

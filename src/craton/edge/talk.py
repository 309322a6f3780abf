"""Forwarding WebSockets: what either side says is passed on to the other, until one of them closes."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Any

from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from craton.edge.forward import Headers, forwarded, host_of, passed_on, target_of

HOST = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", re.ASCII)
"""What a host may look like that becomes a part of an address (RFC 3986, section 3.2, without who asks)."""
REFUSED, AWAY = 1008, 1013
"""The codes for what is not taken, and for a service that cannot be reached now: try again later (RFC 6455, section
7.4, and as registered by IANA)."""


async def talk(address: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass on one WebSocket to the service at an address."""
    await receive()  # that the client wants to begin
    if not HOST.fullmatch(host_in(scope)):
        await send({"type": "websocket.close", "code": REFUSED})
        return
    try:
        async with connection(address, scope) as there:
            await send({"type": "websocket.accept", "subprotocol": there.subprotocol})
            await both(asyncio.create_task(hear(there, receive)), asyncio.create_task(say(there, send)))
    except (OSError, InvalidHandshake):
        await send({"type": "websocket.close", "code": AWAY})


def connection(address: str, scope: Scope) -> connect:
    """The way to the service."""
    target = f"{host_in(scope)}{target_of(scope).decode('latin-1')}"
    options: dict[str, Any] = dict(
        additional_headers=text_of((*meant(scope["headers"]), *forwarded(scope))), compression=None, max_size=None,
        subprotocols=[Subprotocol(name) for name in scope["subprotocols"]] or None, user_agent_header=None, proxy=None,
    )
    if address.startswith("unix:"):
        return unix_connect(address.removeprefix("unix:"), f"ws://{target}", **options)
    place, port, secure = host_of(address)
    if secure:
        options["server_hostname"] = place  # whose certificate it is, whatever the client called it
    return connect(f"{'wss' if secure else 'ws'}://{target}", host=place, port=port, **options)


def host_in(scope: Scope) -> str:
    """The host that the client asked for."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "localhost")


def meant(headers: Headers) -> Headers:
    """The headers that are not this connection's own."""
    own = (b"host", b"sec-websocket-", b"x-forwarded-")
    return [pair for pair in passed_on(headers) if not pair[0].startswith(own)]


def text_of(headers: Headers) -> list[tuple[str, str]]:
    """Headers as text."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


async def both(*tasks: asyncio.Task[None]) -> None:
    """Until either direction has come to its end."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hear(there: ClientConnection, receive: Receive) -> None:
    """Pass on what the client says."""
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        with suppress(ConnectionClosed):  # the other direction tells the client
            await there.send(message["bytes"] if text is None else text)
    code = message.get("code", 1000)
    await there.close(code if code >= 3000 else 1000, message.get("reason") or "")


async def say(there: ClientConnection, send: Send) -> None:
    """Pass on what the service says, and how it ends."""
    with suppress(ConnectionClosed):
        async for data in there:
            await send({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})
    await send({"type": "websocket.close", "code": there.close_code or 1011, "reason": there.close_reason or ""})

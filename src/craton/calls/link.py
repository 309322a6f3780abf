"""A link: how a call travels from one service to another, and what travels."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Literal, Protocol

import msgspec

Status = Literal["ok", "fault", "not-run", "unknown", "failed"]


class Request(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One call. `method` is "module.method"; `body` its encoded arguments; `timeout` seconds left.

    `undoes` is the key of the call to undo: then `method` is the undo, which runs only if that call was done.
    `caller` is the signed assertion of who asks; `trace` the W3C traceparent.
    """

    method: str
    body: bytes
    key: str | None = None
    undoes: str | None = None
    timeout: float | None = None
    caller: bytes = b""
    trace: str = ""


class Reply(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One answer: the encoded result, or a fault, or which CallError. `type` names the fault's or error's class."""

    status: Status
    body: bytes = b""
    type: str = ""


class Link(Protocol):
    """A way to one service, its replicas included."""

    async def send(self, request: Request) -> Reply:
        """Ask. Raises NotRun where the request did not leave, OutcomeUnknown where it left and no answer came."""
        ...

    def stream(self, request: Request) -> Replies:
        """Ask a query that streams, at the first step. Raises as `send` does; closing it stops the other side."""
        ...

    async def close(self) -> None:
        """Release what it holds."""
        ...


Replies = AsyncGenerator[Reply, None]
"""The answer of a query that streams: an "ok" for each item, made as they are taken; then it ends. It may end with one
of another status: then the stream broke off there. Whoever does not read it to its end closes it."""
Handler = Callable[[Request], Awaitable[Reply | Replies]]
"""What answers requests on the receiving side; it never raises but for cancellation. Each step of a stream runs in the
context of its call, within its deadline, whichever task takes it."""

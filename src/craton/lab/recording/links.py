"""A link that is recorded: what is asked over it, and how many bytes that takes."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from craton.calls import codec
from craton.calls.link import Link, Replies, Reply, Request
from craton.lab.recording.running import RUNNING
from craton.run.post import EVENTS

if TYPE_CHECKING:
    from craton.lab.recording.recorder import Recorder


class RecordedLink:
    """A link that counts what the methods of this process ask of others. What it leads to elsewhere is counted there,
    even if that is in this process."""

    def __init__(self, link: Link, recorder: Recorder) -> None:
        self.link, self.recorder = link, recorder

    async def send(self, request: Request) -> Reply:
        """Send it, and count it."""
        asking = RUNNING.get()
        token = RUNNING.set(None)
        size = len(request.body)
        try:
            reply = await self.link.send(request)
            size += len(reply.body)
            return reply
        finally:
            RUNNING.reset(token)
            self.recorder.sent(asking or source_of(request), request.method, size)

    async def stream(self, request: Request) -> Replies:
        """The same; each step of it leads elsewhere, too."""
        asking, size = RUNNING.get(), len(request.body)
        try:
            async with aclosing(self.link.stream(request)) as replies:
                while (reply := await apart(replies)) is not None:
                    size += len(reply.body)
                    yield reply
        finally:
            self.recorder.sent(asking, request.method, size)

    async def close(self) -> None:
        """Release what it holds."""
        await self.link.close()


async def apart(replies: Replies) -> Reply | None:
    """The next step of a stream, counted elsewhere; None after the last."""
    token = RUNNING.set(None)
    try:
        return await anext(replies, None)
    finally:
        RUNNING.reset(token)


def source_of(request: Request) -> str | None:
    """The module whose events are delivered. None for what is asked from outside."""
    if not request.method.endswith(f".{EVENTS.name}"):
        return None
    source: str = codec.decode_arguments(EVENTS, request.body).batch[0].source
    return source

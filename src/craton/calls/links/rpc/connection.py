"""What both ends of an rpc connection share: reading frames, writing them, and ending in order."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from craton.calls.links.rpc.frames import HELLO_LIMIT, Frame, FrameError, FrameReader, Kind, frame

HELLO_SECONDS = 5.0  # until a peer must have said who it is
log = logging.getLogger("craton.rpc")


class Connection(asyncio.Protocol):
    """One end of a connection. `name` is the peer's, for people; `ended` is done when the connection is gone."""

    transport: asyncio.Transport

    def __init__(self, *, name: str, limit: int) -> None:
        self.name, self.limit = name, limit
        self.loop = asyncio.get_running_loop()
        self.reader = FrameReader(limit=min(limit, HELLO_LIMIT))
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The event loop has the connection. (uvloop makes this object before that, even if none comes of it.)"""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one, and does not say so
        self.hurry = self.loop.call_later(HELLO_SECONDS, self.unheard)

    def data_received(self, data: bytes) -> None:
        """Bytes came. What cannot be read ends the connection, in one line of the log."""
        try:
            for found in self.reader.feed(data):
                self.take(found)
        except FrameError as error:
            self.fail(str(error))

    def take(self, found: Frame) -> None:
        """Do what the frame asks; FrameError where it may not come now."""
        raise NotImplementedError

    def write(self, kind: Kind, number: int = 0, body: bytes = b"") -> None:
        """Send a frame; nothing when the connection is gone."""
        if not self.transport.is_closing():
            self.transport.write(frame(kind, number, body))

    def greet(self) -> None:
        """The peer has shown who it is: larger frames may come now."""
        self.greeted = True
        self.hurry.cancel()
        self.reader.limit = self.limit

    def unheard(self) -> None:
        """The peer did not say in time who it is."""
        self.fail(f"it said nothing of itself for {HELLO_SECONDS:g} s")

    def fail(self, why: str) -> None:
        """End the connection at once, and say why."""
        log.warning("rpc: connection with %s closed: %s", self.name, why)
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by either side's doing."""
        self.hurry.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

"""What both ends of an rpc connection share: reading frames, writing them, deadlines, silence, and ending in order."""

from __future__ import annotations

import asyncio
import logging
from math import inf
from typing import Any, cast

from craton.calls.links.rpc.frames import HEADER, HELLO_LIMIT, Frame, FrameError, FrameReader, Kind, printable

HELLO_SECONDS = 5.0  # until a peer must have said who it is
SILENCE_SECONDS = 5.0  # while calls wait: after so many it is asked whether it is there, after as many again given up
STALL_SECONDS = 30.0  # in which a frame that has begun must come, or go on coming; and answers must be read
STALL_BYTES = 64 * 1024  # that must come of it in this time
LOOK_SECONDS = 0.01  # between looks for calls whose deadline has passed
log = logging.getLogger("craton.rpc")


class Connection(asyncio.Protocol):
    """One end of a connection. `name` is the peer's, for people; `ended` is done when the connection is gone."""

    transport: asyncio.Transport
    calls: dict[int, Any]  # those in flight, by number

    def __init__(self, *, name: str, limit: int) -> None:
        self.name, self.limit = name, limit
        self.loop = asyncio.get_running_loop()
        self.reader = FrameReader(limit=min(limit, HELLO_LIMIT))
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.greeted = False
        self.out: list[bytes] = []
        self.next_look, self.looking = inf, cast("asyncio.TimerHandle | None", None)
        self.listening: asyncio.TimerHandle | None = None
        self.heard, self.asked = True, False
        self.stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The event loop has the connection. (uvloop makes this object before that, even if none comes of it.)"""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one, and does not say so
        self.hurry = self.loop.call_later(HELLO_SECONDS, self.unheard)

    def data_received(self, data: bytes) -> None:
        """Bytes came. What cannot be read ends the connection, in one line of the log."""
        self.heard = True
        try:
            for found in self.reader.feed(data):
                self.take(found)
        except FrameError as error:
            self.fail(str(error))
        if self.reader.buffer and self.stalled is None:
            self.await_rest()

    def take(self, found: Frame) -> None:
        """Do what the frame asks; FrameError where it may not come now."""
        if found.kind is Kind.PING:
            self.write(Kind.PONG)
        elif found.kind is not Kind.PONG:
            raise FrameError(f"it may not send {found.kind.name}")

    # ------------------------------------------------------------------ writing

    def write(self, kind: Kind, number: int = 0, body: bytes = b"", *, alone: bool = False) -> None:
        """Send a frame, together with all others of this turn of the loop; at once where it is likely to be `alone`.

        Nothing where the connection is gone.
        """
        if alone and not self.out:
            if not self.transport.is_closing():
                self.transport.write(HEADER.pack(len(body), number, kind) + body)
            return
        if not self.out:
            self.loop.call_soon(self.flush)  # this takes the loop another turn
        self.out += (HEADER.pack(len(body), number, kind), body)
        if alone:
            self.flush()

    def flush(self) -> None:
        """Send what was written."""
        if self.out and not self.transport.is_closing():
            self.transport.write(b"".join(self.out))
        self.out.clear()

    def close(self) -> None:
        """Send what was written, and part."""
        self.flush()
        self.transport.close()

    # ------------------------------------------------------------------ deadlines: one timer for all calls

    def look_by(self, deadline: float) -> None:
        """Look at the calls as soon as this deadline has passed."""
        if deadline < self.next_look:
            if self.looking:
                self.looking.cancel()
            self.next_look, self.looking = deadline, self.loop.call_at(deadline, self.look)

    def look(self) -> None:
        """End the calls whose deadline has passed; look again after the next one."""
        now, self.next_look = self.loop.time(), inf
        if (rest := self.end_late(now)) < inf:
            self.look_by(max(rest, now + LOOK_SECONDS))

    def end_late(self, now: float) -> float:
        """End the calls whose deadline has passed; the next deadline of those that are left."""
        raise NotImplementedError

    # ------------------------------------------------------------------ silence

    def listen(self) -> None:
        """A call has begun: notice when the other side is gone without a word."""
        if self.listening is None:
            self.listening = self.loop.call_later(SILENCE_SECONDS, self.notice, self.loop.time() + SILENCE_SECONDS)

    def notice(self, due: float) -> None:
        """Ask a silent peer whether it is there, and end the connection where it does not answer."""
        self.listening = None
        if not self.calls or self.transport.is_closing():
            return
        reading = self.transport.is_reading()
        if not reading:  # whom nobody reads cannot be heard, and does not hear of this side by asking
            self.write(Kind.PING)
        if self.heard or not reading or self.loop.time() > due + SILENCE_SECONDS / 2:  # which itself may have slept
            self.heard, self.asked = False, False
        elif self.asked:
            self.fail(f"it has not been heard of for {2 * SILENCE_SECONDS:g} s")
            return
        else:
            self.asked = True
            self.write(Kind.PING)
        self.listen()

    def await_rest(self) -> None:
        """A frame has begun: the rest of it is to come."""
        self.stalled = self.loop.call_later(STALL_SECONDS, self.miss_rest, self.reader.begun, len(self.reader.buffer))

    def miss_rest(self, begun: int, had: int) -> None:
        """Part from a peer that holds back the rest of a frame, and so its place in memory."""
        self.stalled, reader = None, self.reader
        if not reader.buffer or self.transport.is_closing():
            return
        if reader.begun == begun and len(reader.buffer) < had + STALL_BYTES and self.transport.is_reading():
            self.fail(f"it held back the rest of a frame for {STALL_SECONDS:g} s")
        else:
            self.await_rest()

    # ------------------------------------------------------------------ beginning and ending

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
        if not self.transport.is_closing():
            log.warning("rpc: connection with %s closed: %s", printable(self.name), printable(why))
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by either side's doing."""
        for timer in (self.hurry, self.looking, self.listening, self.stalled):
            if timer:
                timer.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

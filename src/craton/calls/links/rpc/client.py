"""The asking end of an rpc connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from craton.calls.link import Reply, Request
from craton.calls.links.rpc.connection import Connection
from craton.calls.links.rpc.frames import Frame, FrameError, Kind, encode, read
from craton.calls.links.rpc.handshake import ClientGreeting, Refused
from craton.errors import NotRun, OutcomeUnknown


class Untaken(Exception):
    """This replica did not take the request, and never will: another may."""


class ClientConnection(Connection):
    """The connection to one replica. `calls` are those in flight; `room` is set while more can be sent.

    `farewell` is told when the server shuts down; from then on nothing is asked, and it closes when its answers are in.
    """

    def __init__(
        self, *, name: str, limit: int, greeting: ClientGreeting, farewell: Callable[[str], object],
    ) -> None:
        super().__init__(name=name, limit=limit)
        self.greeting, self.farewell = greeting, farewell
        self.welcomed: asyncio.Future[None] = self.loop.create_future()
        self.calls: dict[int, asyncio.Future[Reply]] = {}
        self.last = 0
        self.leaving = False
        self.room = asyncio.Event()
        self.room.set()

    def usable(self) -> bool:
        """Whether it may be given new requests."""
        return self.greeted and not self.leaving and not self.transport.is_closing()

    async def ask(self, request: Request, deadline: float | None) -> Reply:
        """Send the request and wait for its answer; who stops waiting cancels it on the other side."""
        left = None if deadline is None else deadline - self.loop.time()
        if not self.usable():
            raise Untaken(f"{self.name} closed the connection")
        if left is not None and left <= 0:
            raise Untaken("the deadline passed before it was sent")
        body = encode(msgspec.structs.replace(request, timeout=left))
        if len(body) > self.limit:
            size = f"its request of {len(body):,} bytes is over the limit of {self.limit:,}"
            raise NotRun(f"{request.method} was not called: {size}: send less at once.")
        answer: asyncio.Future[Reply] = self.loop.create_future()
        self.last += 1
        number = self.last
        self.calls[number] = answer
        self.write(Kind.REQUEST, number, body)
        timer = None if left is None else self.loop.call_later(left, self.late, answer, request.method)
        try:
            return await answer
        finally:
            self.forget(number, timer)

    def late(self, answer: asyncio.Future[Reply], method: str) -> None:
        """The deadline passed before the answer came."""
        if not answer.done():
            answer.set_exception(OutcomeUnknown(f"{method}: {self.name} gave no answer before the deadline."))

    def forget(self, number: int, timer: asyncio.TimerHandle | None) -> None:
        """Wait no more for an answer."""
        if timer:
            timer.cancel()
        if self.calls.pop(number, None) is not None:
            self.write(Kind.CANCEL, number)
        self.part_if_idle()

    def part_if_idle(self) -> None:
        """Close where the server asked for it, when its answers are in."""
        if self.leaving and not self.calls:
            self.transport.close()

    def take(self, found: Frame) -> None:
        """Do what a frame of the server says."""
        if not self.greeted:
            self.meet(found)
        elif found.kind is Kind.REPLY:
            reply = read(found.body, Reply)
            if (answer := self.waiting(found)):
                answer.set_result(reply)
        elif found.kind is Kind.UNTAKEN:
            if (answer := self.waiting(found)):
                answer.set_exception(Untaken(f"{self.name} is shutting down"))
        elif found.kind is Kind.GOODBYE:
            self.leaving = True
            self.farewell(f"{self.name} is shutting down")
            self.part_if_idle()
        else:
            raise FrameError(f"a server may not send {found.kind.name}")

    def waiting(self, found: Frame) -> asyncio.Future[Reply] | None:
        """Who waits for this answer; nobody when they gave up before it came."""
        answer = self.calls.pop(found.number, None)
        return None if answer is None or answer.done() else answer

    def meet(self, found: Frame) -> None:
        """Show who this is, and check that the other side has the secret, too."""
        try:
            hello = self.greeting.hear(found)
        except Refused as refused:
            self.fail(str(refused))
            return
        if hello is not None:
            self.write(Kind.HELLO, 0, hello)
            return
        self.greet()
        if not self.welcomed.done():
            self.welcomed.set_result(None)

    def fail(self, why: str) -> None:
        """End the connection at once; before it was welcomed, who waits for that says why."""
        if self.greeted or self.welcomed.done():
            super().fail(why)
        else:
            self.welcomed.set_exception(Untaken(why))
            self.transport.abort()

    def pause_writing(self) -> None:
        """The server reads too slowly: send no more for now."""
        self.room.clear()

    def resume_writing(self) -> None:
        """The server reads again."""
        self.room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """What was sent may have run: nobody will say."""
        super().connection_lost(exc)
        self.room.set()
        if not self.welcomed.done():
            self.welcomed.set_exception(Untaken("it closed the connection"))
        lost, self.calls = self.calls, {}
        for answer in lost.values():
            if not answer.done():
                answer.set_exception(OutcomeUnknown(f"the connection to {self.name} was lost before its answer came."))

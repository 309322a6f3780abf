"""The asking end of an rpc connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from msgspec.structs import replace

from craton.calls.link import Replies, Reply, Request
from craton.calls.links.rpc.connection import Connection
from craton.calls.links.rpc.flow import Inflow
from craton.calls.links.rpc.frames import Credit, Frame, FrameError, Kind, encode, read
from craton.calls.links.rpc.handshake import ClientGreeting, Refused
from craton.calls.links.rpc.tls import plain
from craton.errors import NotRun, OutcomeUnknown

REQUEST, RESULT, REPLY, ITEM = Kind.REQUEST, Kind.RESULT, Kind.REPLY, Kind.ITEM  # in their class it takes longer
Answer = asyncio.Future[Reply] | Inflow
Waiting = tuple[Answer, float, str]
"""What is to be told of an answer, the deadline, and the method that was asked."""
NOBODY = (None, inf, "")


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
        self.calls: dict[int, Waiting] = {}
        self.last = 0
        self.leaving = False
        self.room = asyncio.Event()
        self.room.set()

    def usable(self) -> bool:
        """Whether it may be given new requests."""
        return self.greeted and not self.leaving and not self.transport.is_closing()

    async def ask(self, request: Request, deadline: float | None = None) -> Reply:
        """Send the request and wait for its answer; who stops waiting cancels it on the other side.

        `deadline`: of a request that was made some time ago.
        """
        answer: asyncio.Future[Reply] = self.loop.create_future()
        number = self.send(request, deadline, answer)
        try:
            return await answer
        finally:
            if number in self.calls or self.leaving:
                self.forget(number)

    async def stream(self, request: Request, deadline: float | None) -> Replies:
        """Send the request, and give the items of its stream as they are taken; who stops taking them cancels it."""
        inflow = Inflow()
        number = self.send(request, deadline, inflow)
        try:
            while (item := await inflow.next()) is not None:
                if told := inflow.room(len(item)):
                    self.write(Kind.CREDIT, number, encode(Credit(*told)))
                yield Reply("ok", item)
            assert isinstance(inflow.end, Reply)
            if inflow.end.status != "ok":
                yield inflow.end
        finally:
            self.forget(number)

    def send(self, request: Request, deadline: float | None, answer: Answer) -> int:
        """Send a request; the number of the call."""
        if self.leaving or self.transport.is_closing():
            raise Untaken(f"{self.name} closed the connection")
        if deadline is not None:
            request = replace(request, timeout=self.left(deadline))
        elif request.timeout is not None:
            deadline = self.loop.time() + request.timeout
        body = encode(request)
        if len(body) > self.limit:
            size = f"its request of {len(body):,} bytes is over the limit of {self.limit:,}"
            raise NotRun(f"{request.method} was not called: {size}: send less at once.")
        self.last += 1
        self.calls[self.last] = answer, inf if deadline is None else deadline, request.method
        self.write(REQUEST, self.last, body, alone=len(self.calls) == 1)
        if deadline is not None and deadline < self.next_look:
            self.look_by(deadline)
        if self.listening is None:
            self.listen()
        return self.last

    def left(self, deadline: float) -> float:
        """Seconds until then; Untaken where there are none."""
        left = deadline - self.loop.time()
        if left <= 0:
            raise Untaken("the deadline passed before it was sent")
        return left

    def end_late(self, now: float) -> float:
        """Wait no more for answers that did not come in time."""
        for answer, deadline, method in self.calls.values():
            if deadline <= now:
                self.late(answer, method)
        return min((deadline for answer, deadline, _ in self.calls.values() if not answer.done()), default=inf)

    def late(self, answer: Answer, method: str) -> None:
        """The deadline passed before the answer came."""
        if not answer.done():
            answer.set_exception(OutcomeUnknown(f"{method}: {self.name} gave no answer before the deadline."))

    def forget(self, number: int) -> None:
        """Wait no more for an answer."""
        if self.calls.pop(number, None) is not None:
            self.write(Kind.CANCEL, number)
        if self.leaving:
            self.part_if_idle()

    def part_if_idle(self) -> None:
        """Close where the server asked for it, when its answers are in."""
        if self.leaving and not self.calls:
            self.close()

    def take(self, found: Frame) -> None:
        """Do what a frame of the server says."""
        if not self.greeted:
            self.meet(found)
        elif found.kind is RESULT or found.kind is REPLY:
            reply = Reply("ok", found.body) if found.kind is RESULT else read(found.body, Reply)
            if (answer := self.waiting(found)):
                answer.set_result(reply)
        elif found.kind is ITEM:
            self.put(found)
        elif found.kind is Kind.PING and not self.room.is_set():
            pass  # who does not read gets no answers, which would pile up here
        elif found.kind is Kind.UNTAKEN:
            if (answer := self.waiting(found)):
                answer.set_exception(Untaken(f"{self.name} is shutting down"))
        elif found.kind is Kind.GOODBYE:
            self.leaving = True
            self.farewell(f"{self.name} is shutting down")
            self.part_if_idle()
        else:
            super().take(found)

    def put(self, found: Frame) -> None:
        """Keep an item for who takes it; nobody does when they gave up before it came."""
        answer, _, method = self.calls.get(found.number, NOBODY)
        if isinstance(answer, Inflow):
            answer.put(found.body)
        elif answer:
            raise FrameError(f"it answered {method} with a stream")

    def waiting(self, found: Frame) -> Answer | None:
        """Who waits for this answer; nobody when they gave up before it came."""
        answer, _, _ = self.calls.pop(found.number, NOBODY)
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
            self.welcomed.set_exception(Untaken(plain(exc) if exc else "it closed the connection"))
        lost, self.calls = self.calls, {}
        for answer, _, _ in lost.values():
            if not answer.done():
                answer.set_exception(OutcomeUnknown(f"the connection to {self.name} was lost before its answer came."))

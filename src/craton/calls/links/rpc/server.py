"""The answering side of rpc: one server per process, one connection per peer, many calls at once on each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import aclosing, suppress
from math import inf, isnan
from types import MappingProxyType, TracebackType

from craton.calls.assertion import derive
from craton.calls.link import Handler, Replies, Reply, Request
from craton.calls.links.rpc.address import Address
from craton.calls.links.rpc.connection import STALL_SECONDS, Connection, log
from craton.calls.links.rpc.crew import Crew
from craton.calls.links.rpc.flow import Window
from craton.calls.links.rpc.frames import FRAME_LIMIT, Credit, Frame, FrameError, Kind, encode, printable, read
from craton.calls.links.rpc.handshake import Grants, Refused, ServerGreeting, Terms
from craton.calls.links.rpc.tls import MOST_STRANGERS, Listener, Protection, listen, names_in
from craton.calls.receiver import as_call_error, reply_error
from craton.errors import Failed, NotAllowed, NotRun, OutcomeUnknown, SettingsError

DRAIN_SECONDS = 10.0
REQUEST, RESULT = Kind.REQUEST, Kind.RESULT  # to look them up in their class takes longer
MOST_CALLS, MOST_STREAMS = 4096, 1024
"""Of one peer at once: its further requests are not read until others are answered, its further streams refused."""
END = Reply("ok")
"""How a stream ends that did not break off."""


class RpcServer:
    """Answers the requests of peers that have the secret. An async context manager: leaving it drains.

    `drain` is how many seconds running calls are given to finish then; `limit` the largest frame, in bytes. With
    `contracts`, of its modules, peers that were built with others are refused; with `grants`, those that it does not
    know, and peers get no more than it grants. `tls` protects a tcp: address; one that other machines can reach is
    refused without, unless it is "off".
    """

    def __init__(
        self, handler: Handler, address: str, *, secret: bytes, service: str = "", limit: int = FRAME_LIMIT,
        drain: float = DRAIN_SECONDS, contracts: Mapping[str, type] = MappingProxyType({}),
        grants: Grants | None = None, tls: Protection = None,
    ) -> None:
        self.handler, self.limit, self.patience = handler, limit, drain
        self.terms = Terms(secret=derive(secret, "rpc"), service=service, contracts=contracts, grants=grants)
        self.where = Address.parse(address)
        self.tls: Protection = tls
        self.connections: set[ServerConnection] = set()
        self.strangers: dict[ServerConnection, None] = {}  # those that have not said who they are, the first one first
        self.leaving = False

    @property
    def address(self) -> str:
        """Where it listens: with the port that was given for port 0."""
        return str(self.where)

    async def __aenter__(self) -> RpcServer:
        self.crew = Crew[Running](Running.run)
        try:
            self.listener = await self.listen()
        except OSError as error:
            raise SettingsError(f"cannot listen at {self.where} ({error.strerror}): choose another address.") from error
        return self

    async def listen(self) -> asyncio.Server | Listener:
        """Open the door."""
        loop, where = asyncio.get_running_loop(), self.where
        if where.path:
            return await loop.create_unix_server(lambda: ServerConnection(self), where.path)
        made = await listen(where, self.tls, lambda: ServerConnection(self))
        self.where = Address(host=where.host, port=made.sockets[0].getsockname()[1])
        return made

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None,
    ) -> None:
        await self.drain()

    async def drain(self) -> None:
        """Take no more connections and requests, let running calls finish, then part from the peers."""
        self.leaving = True
        self.listener.close()
        if self.where.path:
            with suppress(FileNotFoundError):
                os.unlink(self.where.path)
        for connection in list(self.connections):
            connection.leave()
        if self.connections:
            await asyncio.wait([c.ended for c in self.connections], timeout=self.patience)
        await self.part()

    async def part(self) -> None:
        """Cancel what still runs, and close."""
        rest = list(self.connections)
        running = [call.task for c in rest for call in c.calls.values() if call.task]
        if running:
            log.warning("rpc: %d calls still ran %g s after the drain began; cancelled", len(running), self.patience)
        for connection in rest:
            connection.cancel_calls()
        if running:
            await asyncio.wait(running, timeout=1)
        for connection in rest:
            connection.close()
        await self.crew.close()


class ServerConnection(Connection):
    """One peer at this server."""

    def __init__(self, server: RpcServer) -> None:
        super().__init__(name="a peer", limit=server.limit)
        self.server = server
        self.needs: frozenset[str] = frozenset()
        self.calls: dict[int, Running] = {}
        self.streams, self.full = 0, False
        self.unread: asyncio.TimerHandle | None = None  # while the peer does not read its answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer came: it must say who it is, and show that it has the secret."""
        super().connection_made(transport)
        self.server.connections.add(self)
        self.server.strangers[self] = None
        if len(self.server.strangers) > MOST_STRANGERS:
            next(iter(self.server.strangers)).fail("too many others wait for a greeting, too")
        self.greeting = ServerGreeting(self.server.terms, proven=names_in(transport))
        self.write(Kind.CHALLENGE, 0, encode(self.greeting.challenge))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for the answers any more."""
        super().connection_lost(exc)
        self.server.connections.discard(self)
        self.server.strangers.pop(self, None)
        if self.unread:
            self.unread.cancel()
        self.cancel_calls()

    def cancel_calls(self) -> None:
        """Stop what runs for this peer."""
        for call in list(self.calls.values()):
            call.stop("was stopped before its end")

    def end_late(self, now: float) -> float:
        """Stop what is late, whatever its caller does."""
        for call in self.calls.values():
            if call.deadline <= now:
                call.deadline = inf
                call.stop("its deadline passed while it ran", mark=":")
        return min((call.deadline for call in self.calls.values()), default=inf)

    def pause_writing(self) -> None:
        """The peer does not read its answers: read no more of its requests."""
        self.unread = self.loop.call_later(STALL_SECONDS, self.fail, f"it read no answers for {STALL_SECONDS:g} s")
        self.throttle()

    def resume_writing(self) -> None:
        """The peer reads again."""
        if self.unread:
            self.unread.cancel()
        self.unread = None
        self.throttle()

    def throttle(self) -> None:
        """Read on, or not, until answers are read and calls have ended. (Streams do not end without being heard.)"""
        self.full = len(self.calls) - self.streams >= MOST_CALLS
        if self.transport.is_closing():
            return
        if self.unread or self.full:
            self.transport.pause_reading()
        elif not self.transport.is_reading():
            self.transport.resume_reading()

    def take(self, found: Frame) -> None:
        """Answer one frame."""
        if not self.greeted:
            self.welcome(found)
        elif found.kind is REQUEST:
            self.begin(found.number, read(found.body, Request))
        elif found.kind is Kind.CREDIT:
            credit = read(found.body, Credit)
            if call := self.calls.get(found.number):
                call.window.widen(credit.items, credit.bytes)
        elif found.kind is Kind.CANCEL:
            if call := self.calls.get(found.number):
                call.stop("was stopped before its end")
        else:
            super().take(found)

    def welcome(self, found: Frame) -> None:
        """Let in who speaks the same protocol and has the secret."""
        try:
            hello, proof = self.greeting.hear(found)
        except Refused as refused:
            self.refuse(str(refused), refused.service)
            return
        self.greet()
        self.server.strangers.pop(self, None)
        self.name, self.needs = hello.service or "a client", frozenset(hello.needs)
        self.write(Kind.WELCOME, 0, proof)
        if self.server.leaving:
            self.write(Kind.GOODBYE)

    def refuse(self, why: str, service: str) -> None:
        """Say why the peer may not come in, and close."""
        log.warning("rpc: %s refused: %s", printable(service) or "a client", printable(why))
        self.hurry.cancel()
        self.write(Kind.REFUSED, 0, encode(why))
        self.close()

    def leave(self) -> None:
        """Ask the peer to send elsewhere; it closes when its answers are in."""
        if self.greeted:
            self.write(Kind.GOODBYE)
        else:
            self.transport.abort()

    def begin(self, number: int, request: Request) -> None:
        """Start one call, unless it may not be started here."""
        module, _, _ = request.method.partition(".")
        if number in self.calls:
            raise FrameError(f"it used the number {number} for two calls at once")
        if self.server.leaving:
            self.write(Kind.UNTAKEN, number)
        elif module not in self.needs and request.method not in self.needs:
            why = f"{self.name} may not call {request.method}: it did not declare that it needs {module}."
            self.reply(number, reply_error(NotAllowed(why)))
        else:
            deadline = inf if request.timeout is None else self.loop.time() + request.timeout
            if isnan(deadline):
                raise FrameError("its time-out is not a number")
            call = self.calls[number] = Running(self, number, request, deadline)
            if deadline < self.next_look:
                self.look_by(deadline)
            if self.listening is None:
                self.listen()
            self.server.crew.put(call)
            if len(self.calls) >= MOST_CALLS:
                self.throttle()

    def reply(self, number: int, reply: Reply) -> None:
        """Send an answer; in place of one that is too large, say so."""
        plain = reply.status == "ok" and not reply.type
        kind, body = (RESULT, reply.body) if plain else (Kind.REPLY, encode(reply))
        if len(body) > self.limit:
            kind, body = Kind.REPLY, encode(reply_error(Failed("the call", f"its answer {self.over(body)}")))
        self.write(kind, number, body, alone=not self.calls)

    def over(self, body: bytes) -> str:
        """What is wrong with a body that is too large."""
        return f"of {len(body):,} bytes is over the limit of {self.limit:,}: ask for less at once"


class Running:
    """One call at this server, from its request to its answer."""

    __slots__ = ("_window", "connection", "deadline", "number", "request", "stopped", "task")

    def __init__(self, connection: ServerConnection, number: int, request: Request, deadline: float) -> None:
        self.connection, self.number, self.request, self.deadline = connection, number, request, deadline
        self.task: asyncio.Task[None] | None = None
        self.stopped = ""
        self._window: Window | None = None

    @property
    def window(self) -> Window:
        """How much more of its stream the peer has room for."""
        self._window = self._window or Window()
        return self._window

    def stop(self, why: str, mark: str = "") -> None:
        """Have it end soon, begun or not."""
        if not self.stopped:
            self.stopped = f"{self.request.method}{mark} {why}."
            if self.task:
                self.task.cancel()

    async def run(self) -> None:
        """Whatever becomes of it, even if it was stopped before it began: its caller is told."""
        connection, method = self.connection, self.request.method
        try:
            if self.stopped:
                raise asyncio.CancelledError
            reply = await connection.server.handler(self.request)
            if not isinstance(reply, Reply):
                reply = await self.stream(reply)
        except asyncio.CancelledError:
            reply = reply_error(OutcomeUnknown(self.stopped or f"{method} was stopped before its end."))
        except Exception as error:  # a handler should not raise; its caller gets an answer all the same
            reply = reply_error(as_call_error(method, error))
        del connection.calls[self.number]
        connection.reply(self.number, reply)
        if connection.full:
            connection.throttle()

    async def stream(self, replies: Replies) -> Reply:
        """Send the items of a stream, unless the peer has too many; how it ended."""
        connection = self.connection
        if connection.streams >= MOST_STREAMS:
            why = f"{connection.name} reads {MOST_STREAMS:,} other streams: end some of them first"
            return reply_error(NotRun(f"{self.request.method} was not called: {why}."))
        connection.streams += 1
        if connection.full:
            connection.throttle()
        try:
            return await self.pour(replies)
        finally:
            connection.streams -= 1

    async def pour(self, replies: Replies) -> Reply:
        """Send the items of a stream as fast as the peer takes them; how it ended."""
        connection, window = self.connection, self.window
        async with aclosing(replies):
            while True:
                await window.room()
                reply = await anext(replies, END)
                if reply is END or reply.status != "ok":
                    return reply
                if len(reply.body) > connection.limit:
                    why = f"an item of its stream {connection.over(reply.body)}"
                    return reply_error(Failed(self.request.method, why))
                window.use(len(reply.body))
                connection.write(Kind.ITEM, self.number, reply.body)

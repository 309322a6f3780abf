"""A link over rpc: one per peer service, with one connection to each replica of it."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from types import MappingProxyType
from typing import Any

from craton.calls.assertion import derive
from craton.calls.link import Replies, Reply, Request
from craton.calls.links.rpc.address import Address
from craton.calls.links.rpc.client import ClientConnection, Untaken
from craton.calls.links.rpc.connection import log
from craton.calls.links.rpc.frames import FRAME_LIMIT
from craton.calls.links.rpc.handshake import ClientGreeting, Terms
from craton.calls.links.rpc.health import Health
from craton.calls.links.rpc.tls import Protection, Tls, plain
from craton.errors import NotRun, OutcomeUnknown

CONNECT_SECONDS = 3.0
PARTING_SECONDS = 1.0  # until a connection that is closed is broken off
SAME = 0.05  # seconds by which two looks at one deadline may differ
DICE = random.Random()
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds a replica that cannot be reached is set aside: doubled each time


class RpcLink:
    """A way to one service. Connects when first asked, and again when a connection was lost.

    `addresses` are its replicas, of the service `peer`; `service` is who asks, `needs` the modules it may ask, and
    `contracts` what it believes of them; `tls` protects tcp: addresses; `limit` is the largest frame, in
    bytes. Of two replicas drawn at random the one with fewer calls in flight is asked; one that cannot be reached is
    set aside for a moment.
    """

    def __init__(
        self, addresses: Sequence[str], *, secret: bytes, service: str = "", needs: frozenset[str] = frozenset(),
        limit: int = FRAME_LIMIT, random: random.Random | None = None, peer: str = "",
        contracts: Mapping[str, type] = MappingProxyType({}), tls: Protection = None,
    ) -> None:
        self.terms = Terms(secret=derive(secret, "rpc"), service=service, contracts=contracts)
        self.needs, self.peer, self.limit = needs, peer, limit
        self.tls = tls if isinstance(tls, Tls) else None
        self.random = random or DICE
        self.replicas = [Replica(self, Address.parse(address)) for address in addresses]
        self.alone, self.closed = len(self.replicas) == 1, False

    async def send(self, request: Request) -> Reply:
        """Ask one replica; another one where the first surely did not take the request."""
        if len(self.replicas) == 1 and (connection := self.replicas[0].ready()):  # the usual case, without a choice
            try:
                return await connection.ask(request)
            except Untaken:
                pass
        why = "the link is closed" if self.closed else "; ".join(replica.why for replica in self.replicas)
        deadline = None if request.timeout is None else asyncio.get_running_loop().time() + request.timeout
        for replica in self.candidates():
            try:
                connection = replica.ready() or await replica.reach(deadline)
                return await (connection.ask if self.alone else replica.ask)(request, deadline)
            except Untaken as error:
                why = str(error)
        raise NotRun(f"{request.method} was not called: {why}.")

    async def stream(self, request: Request) -> Replies:
        """Ask one replica for a stream; another one where the first surely did not take the request."""
        why = "the link is closed" if self.closed else "; ".join(replica.why for replica in self.replicas)
        deadline = None if request.timeout is None else asyncio.get_running_loop().time() + request.timeout
        for replica in self.candidates():
            try:
                connection = replica.ready() or await replica.reach(deadline)
                async with aclosing(connection.stream(request, deadline)) as replies:
                    async for reply in replies:
                        yield reply
                return
            except Untaken as error:
                why = str(error)
        raise NotRun(f"{request.method} was not called: {why}.")

    def candidates(self) -> Iterator[Replica]:
        """The replicas that may be asked now, best first."""
        now = asyncio.get_running_loop().time()
        left = [] if self.closed else [r for r in self.replicas if r.aside_until <= now]
        while left:
            good = [r for r in left if r.health.until <= now] or left  # one that is set aside is better than nobody
            drawn = self.random.sample(good, 2) if len(good) > 1 else good
            best = min(drawn, key=Replica.load)
            left.remove(best)
            yield best

    def judge(self, replica: Replica) -> None:
        """Set a replica aside that fails or is slow; never more than half of them, since then it is not they."""
        now = asyncio.get_running_loop().time()
        aside = [r for r in self.replicas if r.health.until > now]
        why = replica.health.complaint([r.health for r in self.replicas if r is not replica])
        if why and replica not in aside and 2 * (len(aside) + 1) <= len(self.replicas):
            pause = replica.health.eject(now, self.random.uniform(0.5, 1))
            log.warning("rpc: %s is set aside for %.2g s: %s", replica.address, pause, why)

    async def close(self) -> None:
        """Close every connection; calls in flight end with OutcomeUnknown."""
        self.closed = True
        await asyncio.gather(*(replica.close() for replica in self.replicas))


class Replica:
    """One process of the service, and the connection to it."""

    def __init__(self, link: RpcLink, address: Address) -> None:
        self.link, self.address = link, address
        self.connection: ClientConnection | None = None
        self.opened: set[ClientConnection] = set()  # earlier ones, too, while they wait for their last answers
        self.connecting: asyncio.Task[ClientConnection | str] | None = None
        self.failures, self.aside_until, self.why = 0, 0.0, ""
        self.waiting, self.health = 0, Health()

    async def ask(self, request: Request, deadline: float | None) -> Reply:
        """Ask over its connection, which is open, and remember how it did."""
        clock = asyncio.get_running_loop().time
        assert self.connection
        began, health, complaint = clock(), self.health, False
        try:
            reply = await self.connection.ask(request, deadline)
            complaint = health.answered(reply, clock() - began)
            return reply
        except OutcomeUnknown:
            complaint = health.failed()
            raise
        except asyncio.CancelledError:  # by a caller who looks at the same deadline
            complaint = deadline is not None and clock() >= deadline - SAME and health.failed()
            raise
        finally:
            if complaint:
                self.link.judge(self)

    def load(self) -> int:
        """How many calls are in flight to it, or wait for its connection."""
        return self.waiting + (len(self.connection.calls) if self.connection else 0)

    def ready(self) -> ClientConnection | None:
        """Its connection, if it can take a request at this moment."""
        connection = self.connection
        return connection if connection and connection.usable() and connection.room.is_set() else None

    async def reach(self, deadline: float | None) -> ClientConnection:
        """Its connection, as soon as it can take a request. Untaken when it cannot before the deadline."""
        self.waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self.connected()
                await connection.room.wait()
                return connection
        except TimeoutError:
            raise Untaken(f"{self.address} took no request before the deadline") from None
        finally:
            self.waiting -= 1

    async def connected(self) -> ClientConnection:
        """An open connection; callers that come meanwhile wait for the same one."""
        if self.connection and self.connection.usable():
            return self.connection
        if self.link.closed:
            raise Untaken("the link is closed")
        if self.connecting is None:
            self.connecting = asyncio.create_task(self.connect())
        found = await asyncio.shield(self.connecting)
        if isinstance(found, str):
            raise Untaken(found)
        return found

    async def connect(self) -> ClientConnection | str:
        """A new connection, greeted; or why there is none, and then the replica is set aside.

        The one before it may still wait for answers, from a server that shuts down: it is let alone.
        """
        made = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                made = await self.open()
                await made.welcomed
            self.connection, self.failures = made, 0
            return made
        except (OSError, TimeoutError, Untaken) as error:
            if made:
                made.transport.abort()
            return self.set_aside(f"{self.address} cannot be reached ({plain(error)}{self.hint(error)})")
        except asyncio.CancelledError:  # by `close`, which must not cancel the callers that wait for this
            return "the link was closed"
        finally:
            self.connecting = None

    async def open(self) -> ClientConnection:
        """A connection, not yet greeted."""
        loop = asyncio.get_running_loop()
        if self.address.path:
            _, made = await loop.create_unix_connection(self.client, self.address.path)
        else:
            secure: dict[str, Any] = {}
            if self.link.tls:
                secure = {"ssl": self.link.tls.context(server=False), "server_hostname": self.link.peer}
            _, made = await loop.create_connection(self.client, self.address.host, self.address.port, **secure)
        self.opened.add(made)
        made.ended.add_done_callback(lambda _: self.opened.discard(made))
        return made

    def hint(self, error: Exception) -> str:
        """What else to look at."""
        if self.address.path or isinstance(error, ConnectionRefusedError | ssl.SSLError):
            return ""
        return "; its log says whether it accepts this certificate" if self.link.tls else "; does it demand CRATON_TLS?"

    def client(self) -> ClientConnection:
        """The asking end of a connection."""
        return ClientConnection(
            name=str(self.address), limit=self.link.limit, farewell=partial(self.set_aside, level=logging.INFO),
            greeting=ClientGreeting(self.link.terms, needs=self.link.needs, peer=self.link.peer),
        )

    def set_aside(self, why: str, *, level: int = logging.WARNING) -> str:
        """Ask the others for a moment: longer each time, and never at the same time as everybody else."""
        pause = min(FIRST_PAUSE * 2 ** min(self.failures, 10), LONGEST_PAUSE) * self.link.random.uniform(0.5, 1)
        self.aside_until = asyncio.get_running_loop().time() + pause
        if self.failures == 0:
            log.log(level, "rpc: %s; trying again in a moment", why)
        self.failures, self.why = self.failures + 1, why
        return why

    async def close(self) -> None:
        """Let go of every connection, whether or not the other side still reads what was sent."""
        if self.connecting:
            self.connecting.cancel()
            await asyncio.wait([self.connecting])
        for connection in (parting := list(self.opened)):
            connection.close()
            asyncio.get_running_loop().call_later(PARTING_SECONDS, connection.transport.abort)
        await asyncio.gather(*(connection.ended for connection in parting))

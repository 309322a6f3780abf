"""A link over gRPC: one channel to each replica of a service, and messages as the exported .proto says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from os import urandom
from typing import Any

from msgspec.structs import replace

import grpc
from craton.calls.link import Replies, Reply, Request
from craton.calls.links.grpc.schema import Rpc, Schema
from craton.calls.links.grpc.status import reply_of
from craton.calls.links.grpc.tls import channel_credentials
from craton.calls.links.rest.headers import headers_of
from craton.calls.links.rest.proof import PEER, Peer, Prover, digest_of
from craton.calls.links.rpc.tls import Protection
from craton.errors import NotRun, OutcomeUnknown
from craton.sources import Clock, SystemClock

LIMIT = 16 * 1024 * 1024
"""Bytes that a message may have."""
OWN = "/craton.Peer/"
"""What services ask each other besides their contracts: the wire name follows, and messages are in the one encoding."""
METADATA = 64 * 1024  # bytes of metadata: faults travel there
SIZES = [("grpc.max_metadata_size", METADATA), ("grpc.absolute_max_metadata_size", 2 * METADATA)]
OPTIONS = [
    *SIZES, ("grpc.max_receive_message_length", LIMIT), ("grpc.max_send_message_length", LIMIT),
    ("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 3000),
    ("grpc.max_reconnect_backoff_ms", 1000), ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1),
    ("grpc.http2.bdp_probe", 0),  # which lets a stream run far ahead of who reads it
]
DICE = random.Random()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request as gRPC sends it. `rpc` is None for what is in no contract; `deadline` is the event loop's."""

    request: Request
    path: str
    body: bytes
    rpc: Rpc | None
    deadline: float | None

    def timed(self) -> Request:
        """The request, with the time that is left by now."""
        if self.deadline is None:
            return self.request
        return replace(self.request, timeout=max(self.deadline - asyncio.get_running_loop().time(), 0.0))

    def reply(self, data: bytes) -> Reply:
        """What an answer stands for."""
        return Reply("ok", data if self.rpc is None or self.request.undoes else self.rpc.unpack_result(data))

    def failure(self, error: grpc.aio.AioRpcError) -> Reply:
        """What came in place of an answer."""
        return reply_of(error, self.rpc.described if self.rpc else None, self.request.method)


class Replica:
    """One process of a service, and the channel to it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel, self.load, self.closed = channel, 0, False

    @contextmanager
    def busy(self, name: str) -> Iterator[None]:
        """One more call in flight. A channel that is closed cancels those that wait: they learn why."""
        task = asyncio.current_task()
        assert task
        self.load += 1
        try:
            yield
        except asyncio.CancelledError:
            if self.closed and not task.cancelling():
                raise OutcomeUnknown(f"{name}: the link was closed before its answer came.") from None
            raise
        finally:
            self.load -= 1

    async def ask(self, call: Outgoing, options: dict[str, Any]) -> Reply:
        """Ask, and wait for the answer."""
        with self.busy(call.request.method):
            try:
                return call.reply(await self.channel.unary_unary(call.path)(call.body, **options))
            except grpc.aio.AioRpcError as error:
                return call.failure(error)

    async def stream(self, call: Outgoing, options: dict[str, Any]) -> Replies:
        """Ask, and take the answers as they are wanted."""
        asked = self.channel.unary_stream(call.path)(call.body, **options)
        try:
            with self.busy(call.request.method):
                async for data in asked:
                    yield call.reply(data)
        except grpc.aio.AioRpcError as error:
            yield call.failure(error)
        finally:
            asked.cancel()

    async def close(self) -> None:
        """Let go of the connection."""
        self.closed = True
        await self.channel.close()


def channel_to(address: str, tls: Protection, *, peer: str) -> grpc.aio.Channel:
    """The channel to a replica of a service, which must show a certificate with the service's name."""
    credentials = channel_credentials(address, tls)
    if credentials is None:
        return grpc.aio.insecure_channel(address, OPTIONS)
    return grpc.aio.secure_channel(address, credentials, [*OPTIONS, ("grpc.ssl_target_name_override", peer)])


class GrpcLink:
    """A way to one service, as RpcLink is one. `schema` says what messages look like; `peer` is the service's name. The
    replica with the fewest calls in flight is asked, and another one where the request did not leave."""

    def __init__(
        self, addresses: Sequence[str], schema: Schema, *, secret: bytes, service: str = "",
        needs: frozenset[str] = frozenset(), peer: str = "", tls: Protection = None, clock: Clock | None = None,
        random: random.Random | None = None,
    ) -> None:
        self.schema, self.service, self.needs = schema, service, tuple(sorted(needs))
        self.prover, self.clock, self.random = Prover(secret), clock or SystemClock(), random or DICE
        self.replicas = [Replica(channel_to(address, tls, peer=peer)) for address in addresses]

    async def send(self, request: Request) -> Reply:
        """Ask one replica; another one where the first surely did not take the request."""
        call, why = self.outgoing(request), NotRun(f"{request.method} was not called: the link is closed.")
        for replica in self.candidates():
            try:
                return await replica.ask(call, self.options(call))
            except NotRun as unsent:
                why = unsent
        raise why

    async def stream(self, request: Request) -> Replies:
        """The same, of a query that streams."""
        call, why = self.outgoing(request), NotRun(f"{request.method} was not called: the link is closed.")
        for replica in self.candidates():
            try:
                async with aclosing(replica.stream(call, self.options(call))) as replies:
                    async for reply in replies:
                        yield reply
                return
            except NotRun as unsent:  # before the first item
                why = unsent
        raise why

    def candidates(self) -> list[Replica]:
        """The replicas that may be asked, best first."""
        found = self.random.sample(self.replicas, len(self.replicas))
        return sorted((replica for replica in found if not replica.closed), key=lambda replica: replica.load)

    def outgoing(self, request: Request) -> Outgoing:
        """A request as it is sent. Raises NotRun where it cannot be."""
        rpc = self.schema.find(request.method)
        path, body = (rpc.path, rpc.pack(request.body)) if rpc else (f"{OWN}{request.method}", request.body)
        if len(body) > LIMIT:
            size = f"its request of {len(body):,} bytes is over the limit of {LIMIT:,}"
            raise NotRun(f"{request.method} was not called: {size}: send less at once.")
        deadline = None if request.timeout is None else asyncio.get_running_loop().time() + request.timeout
        return Outgoing(request, path, body, rpc, deadline)

    def options(self, call: Outgoing) -> dict[str, Any]:
        """What is sent beside a message: what it carries, signed. gRPC's own time-out is rounded up, and not used."""
        request = call.timed()
        headers = headers_of(request)
        peer = Peer(self.service, self.needs, self.clock.now().timestamp(), urandom(9).hex())
        headers[PEER] = self.prover.sign(peer, "POST", call.path, headers, digest_of(call.body))
        return {"timeout": request.timeout, "metadata": tuple(headers.items())}

    async def close(self) -> None:
        """Close every connection; calls in flight end with OutcomeUnknown."""
        for replica in self.replicas:
            await replica.close()

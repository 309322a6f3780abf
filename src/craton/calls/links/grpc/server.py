"""The answering side of gRPC: contracts, reflection and health, for other services and for clients outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, cast

from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

import grpc
from craton.calls.link import Handler, Replies, Reply, Request
from craton.calls.links.grpc.link import LIMIT, OWN, SIZES
from craton.calls.links.grpc.schema import Rpc, Schema
from craton.calls.links.grpc.status import DETAILS, status_of
from craton.calls.links.grpc.tls import server_credentials
from craton.calls.links.rest.headers import carried
from craton.calls.links.rest.proof import PEER, Once, Prover, digest_of
from craton.calls.links.rpc.tls import Protection
from craton.calls.receiver import as_call_error, reply_error
from craton.contract import Method
from craton.errors import Failed, NotAllowed, NotAuthenticated, SettingsError
from craton.sources import Clock, SystemClock

DRAIN_SECONDS = 10.0
OPTIONS = [
    *SIZES, ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", LIMIT), ("grpc.max_send_message_length", LIMIT),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """One call from outside: the wire name, the method, its encoded arguments, metadata, seconds left, and from where
    it comes, such as ipv4:10.0.0.7:41234."""

    name: str
    method: Method
    body: bytes
    metadata: Sequence[tuple[str, str | bytes]]
    left: float | None
    peer: str

    def given(self, name: str) -> bytes | None:
        """What the client sent under a name; all of it, where it sent several."""
        found = [value for key, value in self.metadata if key == name and isinstance(value, str)]
        return ",".join(found).encode() if found else None


Outside = Callable[[Asked], Awaitable[Reply | Replies]]
"""What answers clients that are no services of this application; it never raises but for cancellation."""


class GrpcServer(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Answers for some modules. An async context manager: leaving it drains, for `drain` seconds at most.

    `handler` answers services of this application, which prove that they are, and may ask what `grants` says; `outside`
    everybody else, where anybody else may ask.
    """

    def __init__(
        self, handler: Handler, address: str, schema: Schema, *, modules: Iterable[str], secret: bytes,
        grants: Callable[[str], frozenset[str] | None], outside: Outside | None = None, clock: Clock | None = None,
        tls: Protection = None, drain: float = DRAIN_SECONDS,
    ) -> None:
        self.handler, self.outside, self.address, self.schema = handler, outside, address, schema
        self.prover, self.once, self.clock, self.patience = Prover(secret), Once(), clock or SystemClock(), drain
        self.credentials, self.grants = server_credentials(address, tls), grants
        described = [schema.module(name) for name in modules]
        self.services = [one.service for one in described if one.rpcs]
        self.paths = {rpc.path: rpc for one in described for rpc in one.rpcs.values()}
        self.health: Any = cast("Any", health).aio.HealthServicer()

    async def __aenter__(self) -> GrpcServer:
        self.server = grpc.aio.server(options=OPTIONS)
        self.server.add_generic_rpc_handlers((self,))
        await self.tell()
        try:
            made = self.server.add_secure_port(self.address, self.credentials) if self.credentials else (
                self.server.add_insecure_port(self.address)
            )
        except RuntimeError as error:
            raise SettingsError(f"cannot listen at {self.address} by gRPC: choose another address.") from error
        if not self.address.startswith("unix:"):
            self.address = f"{self.address.rpartition(':')[0]}:{made}"
        await self.server.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.health.enter_graceful_shutdown()
        await self.server.stop(self.patience)

    async def tell(self) -> None:
        """Offer health and reflection."""
        for own in (health_pb2, reflection_pb2):
            self.schema.pool.AddSerializedFile(own.DESCRIPTOR.serialized_pb)
        for name in self.services:
            await self.health.set(name, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        names = (*self.services, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self.server, pool=self.schema.pool)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """What answers at a path."""
        path = handler_call_details.method
        rpc = self.paths.get(path)
        if rpc and rpc.method.streams:
            return grpc.unary_stream_rpc_method_handler(partial(self.stream, rpc))
        if rpc or path.startswith(OWN):
            return grpc.unary_unary_rpc_method_handler(partial(self.answer, rpc or path))
        return None

    async def answer(self, asked: Rpc | str, body: bytes, context: Any) -> bytes:
        """Answer one call with one message."""
        try:
            reply = await self.ask(asked, body, context)
            assert isinstance(reply, Reply)
            if reply.status == "ok":
                return data_of(asked, reply, context)
        except Exception as error:
            reply = failure(asked, error)
        await self.refuse(asked, reply, context)

    async def stream(self, asked: Rpc, body: bytes, context: Any) -> AsyncIterator[bytes]:
        """Answer one call with a message for each item, made as the client takes them."""
        try:
            replies = await self.ask(asked, body, context)
        except Exception as error:
            replies = failure(asked, error)
        if isinstance(replies, Reply):
            await self.refuse(asked, replies, context)
        async with aclosing(replies):
            async for reply in replies:
                if reply.status != "ok":
                    await self.refuse(asked, reply, context)
                yield data_of(asked, reply, context)

    async def ask(self, asked: Rpc | str, body: bytes, context: Any) -> Reply | Replies:
        """Give a call to who answers for it. Raises CallError where it may not be made."""
        given = tuple(context.invocation_metadata() or ())
        if PEER in (metadata := dict(given)):
            return await self.handler(self.request(asked, body, metadata))
        if self.outside is None or isinstance(asked, str):
            raise NotAuthenticated("this is for services of the same application, which sign what they ask.")
        left = context.time_remaining()
        return await self.outside(Asked(asked.name, asked.method, asked.unpack(body), given, left, context.peer()))

    def request(self, asked: Rpc | str, body: bytes, metadata: Mapping[str, Any]) -> Request:
        """The call of another service, which may make it."""
        path, name = (asked.path, asked.name) if isinstance(asked, Rpc) else (asked, asked.removeprefix(OWN))
        now, digest = self.clock.now().timestamp(), digest_of(body)
        peer = self.prover.verify(metadata[PEER], "POST", path, metadata, digest, now=now)
        if not (peer.may_ask(name) and {name, name.partition(".")[0]} & (self.grants(peer.service) or set())):
            module = name.partition(".")[0]
            raise NotAllowed(f"{peer.service} may not call {name}: it did not declare that it needs {module}.")
        found = Request(name, asked.unpack(body) if isinstance(asked, Rpc) else body, **carried(metadata))
        if found.key is None and not (isinstance(asked, Rpc) and asked.method.kind == "query"):
            self.once.take(peer, now=now)
        return found

    async def refuse(self, asked: Rpc | str, reply: Reply, context: Any) -> NoReturn:
        """Answer with what came in place of a result."""
        described = asked.described if isinstance(asked, Rpc) else None
        code, status = status_of(reply, described, self.schema.application.name)
        await context.abort(code, status.message, trailing_metadata=((DETAILS, status.SerializeToString()),))
        raise AssertionError("abort raises")


def failure(asked: Rpc | str, error: Exception) -> Reply:
    """What a call is answered with that was not made."""
    return reply_error(as_call_error(asked.name if isinstance(asked, Rpc) else asked, error))


def data_of(asked: Rpc | str, reply: Reply, context: Any) -> bytes:
    """A result as a message. Raises Failed where it cannot be one."""
    undone = any(name == "craton-undoes" for name, _ in context.invocation_metadata())
    data = reply.body if isinstance(asked, str) or undone else asked.pack_result(reply.body)
    if len(data) > LIMIT:
        why = f"its answer of {len(data):,} bytes is over the limit of {LIMIT:,}: ask for less at once"
        raise Failed("the call", why)
    return data

"""The edge by gRPC: what clients outside may ask, admitted as over HTTP, under the same tokens, keys and rates."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from time import monotonic
from typing import Any
from urllib.parse import unquote

from craton.calls import codec
from craton.calls.context import NOBODY, Caller
from craton.calls.link import Replies, Reply
from craton.calls.links.grpc.describing import camel
from craton.calls.links.grpc.server import Asked
from craton.calls.receiver import as_call_error, reply_error
from craton.edge.admission import Admission
from craton.edge.authentication import GUEST, Tokens
from craton.edge.door import Door
from craton.edge.gate import network_of
from craton.edge.headers import admit, caller_of, key_of, trace_in
from craton.edge.problems import AGAIN, TOLD, Problem
from craton.edge.rates import Rate
from craton.edge.settings import EdgeSettings
from craton.errors import CallError, Failed, NotAllowed, NotRun, OutcomeUnknown, StillRunning
from craton.values import Fault

log = logging.getLogger("craton.edge")


class Outside:
    """Answers clients that are no services of the application. They may ask what has a route: whatever is open over
    HTTP is open here, to the same callers; nothing else is."""

    def __init__(self, door: Door, tokens: Tokens, settings: EdgeSettings, *, admission: Admission) -> None:
        self.door, self.tokens, self.settings, self.admission = door, tokens, settings, admission
        self.rate = Rate("caller", per_second=settings.rate, burst=settings.burst)
        self.going_on: set[asyncio.Future[Any]] = set()

    async def __call__(self, asked: Asked) -> Reply | Replies:
        """Answer one call."""
        try:
            result = await self.admitted(asked)
            return self.replies(asked, result) if asked.method.streams else Reply("ok", codec.encode(result))
        except Exception as error:
            return told(asked, error)

    async def replies(self, asked: Asked, items: Any) -> Replies:
        """The items of a stream."""
        try:
            async with aclosing(items):
                async for item in items:
                    yield Reply("ok", codec.encode(item))
        except Exception as error:
            yield told(asked, error)

    async def admitted(self, asked: Asked) -> Any:
        """Make a call as far as there is room. A stream takes none up once it has begun."""
        place, done = await self.admission.enter(changes=asked.method.kind != "query"), False
        try:
            result, done = await self.call(asked), True
            return result
        finally:
            place.leave(begun=done)

    async def call(self, asked: Asked) -> Any:
        """Check a call and make it. A query stops when the client goes away; what changes something goes on."""
        check_open(asked)
        caller, keyed = self.caller(asked), asked.method.kind != "query" and asked.method.keyed
        admit(caller, asked.method.allow)
        if len(asked.body) > self.settings.body:
            raise Problem("too-large", f"A request may have {self.settings.body} bytes.")
        work = asyncio.ensure_future(self.door.call(
            asked.name, codec.decode_arguments(asked.method, asked.body), caller=caller,
            key=key_of(asked.given("idempotency-key"), caller) if keyed else None,
            trace=trace_in(asked.given("traceparent") or b""),
            timeout=self.settings.timeout if asked.left is None else min(asked.left, self.settings.longest),
        ))
        if asked.method.kind == "query":
            return await work
        self.going_on.add(work)
        work.add_done_callback(self.ended)
        return await asyncio.shield(work)

    def ended(self, work: asyncio.Future[Any]) -> None:
        """What changes something is done, whoever still waits for it."""
        self.going_on.discard(work)
        if not work.cancelled():
            work.exception()

    def caller(self, asked: Asked) -> Caller:
        """Who asks, and not too often: NOBODY without a token, who is counted by their address, as
        guests are."""
        caller, given = NOBODY, asked.given("authorization")
        try:
            if given is not None:
                caller = caller_of(given, self.tokens)
        finally:
            named = caller.subject and not caller.subject.startswith(GUEST)
            who = caller.subject if named else address_of(asked.peer)
            if who and self.settings.rate:
                self.rate.take(who, now=monotonic())
        return caller


def check_open(asked: Asked) -> None:
    """Refuse what is not open to clients outside, or not by gRPC."""
    if asked.method.route is None:
        raise NotAllowed(f"{asked.name} has no route, so only services of this application may call it.")
    if asked.method.sign_in:
        raise NotAllowed(f"{asked.name} signs in, which is limited by address over HTTP: ask there for a token.")


def address_of(peer: str) -> str:
    """The address in ipv4:10.0.0.7:41234, or the network of ipv6:%5B2001:db8::1%5D:41234; nothing of a Unix socket."""
    kind, _, rest = peer.partition(":")
    host = unquote(rest).rpartition(":")[0].strip("[]")
    return network_of(host) if kind == "ipv6" else host if kind == "ipv4" else ""


def told(asked: Asked, error: Exception) -> Reply:
    """What a client may know of what went wrong: not hosts, sockets and causes, which are logged."""
    if isinstance(error, Problem):
        kind = str(error.body["type"]).rpartition(":")[2]
        return Reply("not-run", codec.encode({"text": f"{asked.name}: {error}"}), camel(kind.replace("-", "_")))
    if isinstance(error, Fault) and type(error) in asked.method.raises:
        name, body = codec.encode_fault(error)
        return Reply("fault", body, name)
    found = as_call_error(asked.name, error)
    if isinstance(found, (*TOLD, StillRunning)):
        return reply_error(found)
    log.warning("%s: %s", asked.name, found)
    return reply_error(hidden(asked, found))


def hidden(asked: Asked, error: CallError) -> CallError:
    """The same error, without what is none of a client's business."""
    if isinstance(error, NotRun):
        return NotRun("The request could not be taken, and changed nothing: try again in a moment.")
    if isinstance(error, OutcomeUnknown):
        return OutcomeUnknown(AGAIN)
    return Failed(asked.name, "see the service's log")

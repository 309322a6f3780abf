"""The receiving side of every link: decode, check who asks, run, encode the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing

from craton import errors
from craton.calls import codec
from craton.calls.assertion import Signer
from craton.calls.context import CONTEXT, NOBODY, Context
from craton.calls.endpoint import Endpoint
from craton.calls.link import Replies, Reply, Request, Status
from craton.calls.steps import Steps
from craton.errors import CallError, Failed, NotRun, OutcomeUnknown
from craton.sources import Clock
from craton.values import Fault

log = logging.getLogger("craton.calls")


class Receiver:
    """Answers requests for the modules hosted here; never raises but for cancellation."""

    def __init__(self, endpoints: Mapping[str, Endpoint], *, signer: Signer, clock: Clock) -> None:
        self.endpoints, self.signer, self.clock = endpoints, signer, clock

    async def __call__(self, request: Request) -> Reply | Replies:
        """Carry out one request within its time."""
        try:
            async with asyncio.timeout(request.timeout):
                return await self.answer(request)
        except TimeoutError:
            return reply_error(OutcomeUnknown(f"{request.method}: its deadline passed while it ran."))

    async def answer(self, request: Request) -> Reply | Replies:
        """Carry out one request, whose time somebody else keeps."""
        endpoint = self.endpoints.get(request.method)
        try:
            if endpoint is None:
                why = "is not hosted here: the two sides run different versions or topologies."
                raise NotRun(f"{request.method} {why}")
            arguments = codec.decode_arguments(endpoint.method, request.body)
            token = CONTEXT.set(self.context_of(request, endpoint))
            try:
                result = await endpoint.ask(arguments, key=request.key, undoes=request.undoes)
            finally:
                CONTEXT.reset(token)
            if endpoint.method.streams:
                return replies(endpoint, request, result)
            return Reply("ok", b"" if request.undoes else codec.encode(result))
        except Exception as error:  # a caller gets an answer, whatever breaks here
            return reply_failure(endpoint, request, error)

    def context_of(self, request: Request, endpoint: Endpoint) -> Context:
        """What the call runs in."""
        caller = self.signer.verify(request.caller, now=self.clock.now().timestamp()) if request.caller else NOBODY
        deadline = None if request.timeout is None else asyncio.get_running_loop().time() + request.timeout
        return Context(caller=caller, deadline=deadline, trace=request.trace, kind=endpoint.method.kind)


async def replies(endpoint: Endpoint, request: Request, items: Steps) -> Replies:
    """The items of a stream, and how it broke off, where it did."""
    try:
        async with aclosing(items):
            async for item in items:
                yield Reply("ok", codec.encode(item))
    except Exception as error:
        yield reply_failure(endpoint, request, error)


def reply_failure(endpoint: Endpoint | None, request: Request, error: Exception) -> Reply:
    """What the caller gets in place of a result."""
    if isinstance(error, Fault) and endpoint and (type(error) in endpoint.method.raises or request.undoes):
        try:
            name, body = codec.encode_fault(error)
            return Reply("fault", body, name)
        except Exception as unable:
            error = unable
    return reply_error(as_call_error(request.method, error))


def as_call_error(method: str, error: Exception) -> CallError:
    """What a caller may see of an error: a CallError as it is, and any other as Failed, which is logged here."""
    if isinstance(error, CallError):
        return error
    log.error("%s failed", method, exc_info=error)
    return Failed(method, f"{type(error).__name__}: {error}")


def reply_error(error: CallError) -> Reply:
    """A CallError as a reply."""
    status: Status = "not-run" if isinstance(error, NotRun) else "failed" if isinstance(error, Failed) else "unknown"
    details = {"text": str(error), "method": getattr(error, "method", ""), "saga": getattr(error, "saga", None) or "",
               "cause": getattr(error, "cause", "")}
    return Reply(status, codec.encode(details), type(error).__name__)


def error_of(reply: Reply) -> CallError:
    """The CallError that a reply stands for."""
    details = codec.decode(dict[str, str], reply.body)
    kind = getattr(errors, reply.type, None)
    if kind is Failed:
        return Failed(details["method"], details["cause"])
    if kind is errors.StillRunning:
        return errors.StillRunning(details["method"], details["saga"] or None)
    if kind in (errors.KeyReused, errors.Withdrawn):
        return kind(details["method"])  # type: ignore[no-any-return]
    if isinstance(kind, type) and issubclass(kind, CallError):
        return kind(details["text"])
    return NotRun(details["text"]) if reply.status == "not-run" else OutcomeUnknown(details["text"])

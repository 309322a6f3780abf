"""Stubs: made at run time from a contract; each method sends its call over a link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import msgspec

from craton.calls import codec
from craton.calls.assertion import Signer
from craton.calls.context import CONTEXT, NOBODY, context
from craton.calls.endpoint import ENDPOINTS, Endpoint, check_call, key_for
from craton.calls.link import Link, Reply, Request
from craton.calls.receiver import error_of
from craton.calls.retry import Backoff, Budget, worth_retrying
from craton.calls.steps import Steps
from craton.contract import Method, methods_of
from craton.errors import CallError, Failed, NotRun, OutcomeUnknown
from craton.sources import Clock, Ids
from craton.values import Fault


class Remote:
    """One method of a module hosted elsewhere."""

    def __init__(
        self, name: str, method: Method, *, link: Link, signer: Signer, clock: Clock, ids: Ids, budget: Budget
    ) -> None:
        self.name, self.method, self.link = name, method, link
        self.signer, self.clock, self.ids, self.budget = signer, clock, ids, budget
        self.endpoint = Endpoint(name.partition(".")[0], method, self.ask)
        self.read = codec.unpacker(method.result).decode

    def call(self, arguments: msgspec.Struct) -> Coroutine[Any, Any, Any]:
        """The call as application code makes it: under a key, so that it can be asked again."""
        now, key = CONTEXT.get(), None
        if self.method.kind != "query" and self.method.keyed:
            key = key_for(now, self.name, self.method, arguments) or self.ids.new("key")
        alone = now.given is None and now.unit is None
        return self.insist(arguments, key=key) if alone else self.apart(arguments, key=key)

    async def apart(self, arguments: msgspec.Struct, *, key: str | None) -> Any:
        """Ask outside the unit of work in progress."""
        with context(given=None, unit=None):
            return await self.insist(arguments, key=key)

    async def insist(self, arguments: msgspec.Struct, *, key: str | None) -> Any:
        """Ask, and ask again while that is safe, until the deadline or until the budget is spent."""
        backoff: Backoff | None = None
        self.budget.earn()
        while True:
            try:
                return await self.ask(arguments, key=key)
            except CallError as error:
                backoff = backoff or Backoff()
                pause = self.pause_after(error, backoff)
            await asyncio.sleep(pause)

    def pause_after(self, error: CallError, backoff: Backoff) -> float:
        """How long to wait before it is asked again; raises the error where that is of no use."""
        left, pause = CONTEXT.get().left(), backoff.pause()
        unsure = isinstance(error, OutcomeUnknown) and not self.method.keyed  # nothing would recognise a repetition
        if unsure or not worth_retrying(error) or (left is not None and left < pause) or not self.budget.take():
            raise error
        return pause

    async def ask(self, arguments: msgspec.Struct, *, key: str | None = None, undoes: str | None = None) -> Any:
        """Ask once; what streams is asked at its first step."""
        if self.method.streams:
            return Steps(self.name, self.items(arguments))
        reply = await self.link.send(self.request(arguments, key, undoes))
        if reply.status == "ok":
            return None if undoes else self.read(reply.body)
        raise error_in(self.method, reply, self.name)

    async def items(self, arguments: msgspec.Struct) -> AsyncGenerator[Any, None]:
        """The items of a query that streams; until the first one has come, it is asked again as any other."""
        backoff, began = Backoff(), False
        self.budget.earn()
        while True:
            try:
                async with aclosing(self.link.stream(self.request(arguments, None, None))) as replies:
                    async for reply in replies:
                        if reply.status != "ok":
                            raise error_in(self.method, reply, self.name)
                        began = True
                        yield self.read(reply.body)
                        check_call(self.endpoint, CONTEXT.get())  # the next step is a call like the first one
                return
            except CallError as error:
                if began:
                    raise
                pause = self.pause_after(error, backoff)
            await asyncio.sleep(pause)

    def request(self, arguments: msgspec.Struct, key: str | None, undoes: str | None) -> Request:
        """What is sent."""
        now, left = CONTEXT.get(), None
        if now.deadline is not None and (left := now.deadline - asyncio.get_running_loop().time()) <= 0:
            raise NotRun(f"{self.name}: the deadline had passed before it was asked.")
        body, caller = codec.encode_arguments(self.method, arguments), b""
        if now.caller is not NOBODY:
            caller = self.signer.assertion(now.caller, now=self.clock.now().timestamp())
        return Request(self.name, body, key, undoes, left, caller, now.trace)


def error_in(method: Method, reply: Reply, name: str) -> Fault | CallError:
    """The error that a reply carries."""
    if reply.status == "fault":
        fault = codec.decode_fault(method, reply.type, reply.body)
        return fault or Failed(name, f"it answered {reply.type}, which its contract does not declare")
    return error_of(reply)


def stub_of(contract: type, module: str, connect: Callable[[str, Method], Remote]) -> Any:
    """An object that implements a contract by asking elsewhere."""
    remotes = {name: connect(f"{module}.{name}", method) for name, method in methods_of(contract).items()}
    endpoints = {n: r.endpoint for n, r in remotes.items()}
    methods = {name: sender(remote, endpoints[name]) for name, remote in remotes.items()}
    kind = type(f"{contract.__name__}Stub", (contract,), {**methods, ENDPOINTS: endpoints, "__init__": object.__init__})
    return kind()


def sender(remote: Remote, endpoint: Endpoint) -> Callable[..., Any]:
    """The method that a stub has in place of the implementation's."""
    method = remote.method

    async def send(self: object, *args: Any, **kwargs: Any) -> Any:
        check_call(endpoint, CONTEXT.get())
        return await remote.call(method.bind(args, kwargs))

    def stream(self: object, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        check_call(endpoint, CONTEXT.get())
        return remote.items(method.bind(args, kwargs))

    made: Callable[..., Any] = stream if method.streams else send
    made.__name__, made.__qualname__, made.__doc__ = method.name, f"{remote.name}", f"Sends {remote.name} over a link."
    return made

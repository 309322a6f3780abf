"""Stubs: made at run time from a contract; each method sends its call over a link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from craton.calls import codec
from craton.calls.assertion import Signer
from craton.calls.context import CONTEXT, NOBODY, context
from craton.calls.endpoint import ENDPOINTS, Endpoint, check_call, key_for
from craton.calls.link import Link, Reply, Request
from craton.calls.receiver import error_of
from craton.calls.retry import Backoff, Budget, worth_retrying
from craton.contract import Method, methods_of
from craton.errors import CallError, Failed, NotRun
from craton.sources import Clock, Ids


class Remote:
    """One method of a module hosted elsewhere."""

    def __init__(
        self, name: str, method: Method, *, link: Link, signer: Signer, clock: Clock, ids: Ids, budget: Budget
    ) -> None:
        self.name, self.method, self.link = name, method, link
        self.signer, self.clock, self.ids, self.budget = signer, clock, ids, budget

    async def call(self, arguments: msgspec.Struct) -> Any:
        """The call as application code makes it: under a key, so that it can be asked again."""
        key = None
        if self.method.kind != "query":
            key = key_for(CONTEXT.get(), self.name, self.method, arguments) or self.ids.new("key")
        with context(given=None, unit=None):
            return await self.insist(arguments, key=key)

    async def insist(self, arguments: msgspec.Struct, *, key: str | None) -> Any:
        """Ask, and ask again while that is safe, until the deadline or until the budget is spent."""
        backoff = Backoff()
        self.budget.earn()
        while True:
            try:
                return await self.ask(arguments, key=key)
            except CallError as error:
                left, pause = CONTEXT.get().left(), backoff.pause()
                if not worth_retrying(error) or (left is not None and left < pause) or not self.budget.take():
                    raise
            await asyncio.sleep(pause)

    async def ask(self, arguments: msgspec.Struct, *, key: str | None = None, undoes: str | None = None) -> Any:
        """Ask once."""
        now = CONTEXT.get()
        if (left := now.left()) is not None and left <= 0:
            raise NotRun(f"{self.name}: the deadline had passed before it was asked.")
        body = codec.encode_arguments(self.method, arguments)
        caller = b"" if now.caller is NOBODY else self.signer.sign(now.caller, now=self.clock.now().timestamp())
        reply = await self.link.send(Request(self.name, body, key, undoes, left, caller, now.trace))
        return None if undoes and reply.status == "ok" else result_of(self.method, reply, self.name)


def result_of(method: Method, reply: Reply, name: str) -> Any:
    """The result in a reply, or the error that it carries."""
    if reply.status == "ok":
        return codec.decode(method.result, reply.body)
    if reply.status == "fault":
        fault = codec.decode_fault(method, reply.type, reply.body)
        raise fault or Failed(name, f"it answered {reply.type}, which its contract does not declare")
    raise error_of(reply)


def stub_of(contract: type, module: str, connect: Callable[[str, Method], Remote]) -> Any:
    """An object that implements a contract by asking elsewhere."""
    remotes = {name: connect(f"{module}.{name}", method) for name, method in methods_of(contract).items()}
    endpoints = {n: Endpoint(module, r.method, r.ask) for n, r in remotes.items()}
    methods = {name: sender(remote, endpoints[name]) for name, remote in remotes.items()}
    kind = type(f"{contract.__name__}Stub", (contract,), {**methods, ENDPOINTS: endpoints, "__init__": object.__init__})
    return kind()


def sender(remote: Remote, endpoint: Endpoint) -> Callable[..., Any]:
    """The method that a stub has in place of the implementation's."""
    method = remote.method

    async def send(self: object, *args: Any, **kwargs: Any) -> Any:
        check_call(endpoint, CONTEXT.get())
        return await remote.call(method.bind(args, kwargs))

    send.__name__, send.__qualname__, send.__doc__ = method.name, f"{remote.name}", f"Sends {remote.name} over a link."
    return send

"""Hosting one module in a process: its implementation, wrapped where a law needs it, and the endpoints it offers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import msgspec
from msgspec.structs import astuple

from craton.calls.context import CONTEXT, Context
from craton.calls.endpoint import ENDPOINTS, Ask, Endpoint, check_call, key_for
from craton.calls.steps import Steps
from craton.contract import Method, methods_of
from craton.data.commands import Command
from craton.data.effects import Effect, Settling
from craton.data.inbox import Inbox
from craton.data.store import Store
from craton.sagas.sagas import SagaMethod, Sagas, SagaStatus
from craton.sources import Clock, Ids

Body = Callable[[msgspec.Struct], Awaitable[Any]]
STATUS = Method(
    name="saga-status", kind="query", result=SagaStatus | None,
    arguments=msgspec.defstruct("SagaStatusArguments", [("id", str)], frozen=True),
)
"""What every module answers besides its contract: how far one of its sagas is."""


class Hosted:
    """One module of this process. `around`: what is put around that which carries out a method, where it is watched."""

    def __init__(
        self, module: str, instance: Any, store: Store,
        *, endpoint: Callable[[str], Endpoint], clock: Clock, ids: Ids, owner: str,
        around: Callable[[str, Ask], Ask] | None = None,
    ) -> None:
        self.module, self.instance, self.store = module, instance, store
        self.around = around
        self.ids, self.owner = ids, owner
        self.inbox = Inbox(store, module)
        self.settle = Settling(store, module, self.inbox)
        self.sagas = Sagas(store, module, self.inbox, owner=owner, endpoint=endpoint, clock=clock, ids=ids)
        kind: type = type(instance)
        methods = methods_of(kind)
        self.endpoints = {name: self.endpoint(method) for name, method in methods.items()}
        vars(instance)[ENDPOINTS] = self.endpoints
        for name, method in methods.items():
            if method.kind != "query":
                vars(instance)[name] = self.wrapped(self.endpoints[name])

    def endpoint(self, method: Method) -> Endpoint:
        """One method, as all who call it see it."""
        body = plain(self.instance, method)
        ask = self.ask(method, body)
        effect = ask.__self__ if method.kind == "effect" else None  # type: ignore[attr-defined]  # as bound methods have
        if self.around is not None:
            ask = self.around(f"{self.module}.{method.name}", ask)
        return Endpoint(self.module, method, ask, self.store, body, effect)

    def ask(self, method: Method, body: Body) -> Ask:
        """How a method of its kind is carried out."""
        name = f"{self.module}.{method.name}"
        where: dict[str, Any] = dict(store=self.store, module=self.module, inbox=self.inbox, settle=self.settle)
        if method.kind == "command":
            return Command(name, method, body, **where).ask
        if method.kind == "effect":
            return Effect(name, method, body, **where, ids=self.ids, owner=self.owner).ask
        if method.kind == "saga":
            return SagaMethod(name, method, body, self.sagas).ask
        return Query(name, method, body).ask

    def wrapped(self, endpoint: Endpoint) -> Callable[..., Any]:
        """What stands on the instance in place of a method that is no query."""
        method, original = endpoint.method, getattr(self.instance, endpoint.method.name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            now = CONTEXT.get()
            if method.kind == "command" and self.joins(now):
                return await original(*args, **kwargs)
            check_call(endpoint, now)
            arguments = method.bind(args, kwargs)
            return await endpoint.ask(arguments, key=key_for(now, endpoint.name, method, arguments))

        call.__name__, call.__qualname__, call.__doc__ = original.__name__, original.__qualname__, original.__doc__
        call.__self__ = self.instance  # type: ignore[attr-defined]  # as a bound method has, for endpoint_of
        return call

    def joins(self, now: Context) -> bool:
        """Whether a command called here is part of the unit of work in progress: one called on `self`."""
        unit = now.unit
        return unit is not None and unit.store is self.store and unit.module == self.module and unit.writable

    def status(self) -> Endpoint:
        """The endpoint that tells how far a saga is."""

        async def ask(arguments: Any, *, key: str | None = None, undoes: str | None = None) -> SagaStatus | None:
            return await self.sagas.status(arguments.id, CONTEXT.get().caller)

        return Endpoint(self.module, STATUS, ask)


class Query:
    """One query of a module, asked from another process: just called."""

    def __init__(self, name: str, method: Method, body: Body) -> None:
        self.name, self.method, self.body = name, method, body

    async def ask(self, arguments: msgspec.Struct, *, key: str | None = None, undoes: str | None = None) -> Any:
        """The result; where it streams, the steps to it."""
        now = CONTEXT.get()
        token = CONTEXT.set(Context(caller=now.caller, deadline=now.deadline, trace=now.trace, kind="query"))
        try:
            if self.method.streams:
                return Steps(self.name, cast("AsyncIterator[Any]", self.body(arguments)))
            return await self.body(arguments)
        finally:
            CONTEXT.reset(token)


def plain(instance: Any, method: Method) -> Body:
    """A method of an implementation, taking its arguments as one struct."""
    original, names = getattr(instance, method.name), method.arguments.__struct_fields__

    def body(arguments: msgspec.Struct) -> Awaitable[Any]:
        return original(**{name: getattr(arguments, name) for name in names})  # type: ignore[no-any-return]

    def by_place(arguments: msgspec.Struct) -> Awaitable[Any]:
        return original(*astuple(arguments))  # type: ignore[no-any-return]

    return by_place if method.names == names else body

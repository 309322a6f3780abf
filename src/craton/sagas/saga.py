"""`Saga`: what an implementation's saga methods write their steps with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from datetime import datetime
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

import msgspec

from craton.calls.context import CONTEXT
from craton.calls.endpoint import Endpoint, endpoint_of
from craton.errors import Misuse

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")


class Running(Protocol):
    """One saga in progress."""

    async def perform(self, call: Bound, undo: Bound | None) -> Any:
        """Carry out the next step, or give the journal's answer."""
        ...

    async def now(self) -> datetime:
        """The time, the same in a replay."""
        ...

    def new_id(self, kind: str) -> str:
        """An id, the same in a replay."""
        ...


class Bound(msgspec.Struct, frozen=True):
    """A method with its arguments."""

    endpoint: Endpoint
    arguments: msgspec.Struct

    @classmethod
    def of(cls, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        """The call of a module's method, its arguments checked against the contract now."""
        endpoint = endpoint_of(call)
        return cls(endpoint, endpoint.method.bind(args, kwargs))


class Step(Generic[T]):
    """One step, carried out when it is awaited: `await saga.step(reserve, order, lines).undo(release, order)`."""

    def __init__(self, run: Running, call: Bound) -> None:
        self.run, self.call = run, call
        self.reverse: Bound | None = None

    def undo(self, call: Callable[Q, Awaitable[object]], *args: Q.args, **kwargs: Q.kwargs) -> Step[T]:
        """What takes the step back, should the saga fail later. It binds its arguments now, so that a step whose
        outcome is unknown can be undone, too."""
        self.reverse = Bound.of(call, args, kwargs)
        return self

    def __await__(self) -> Generator[Any, None, T]:
        return self.run.perform(self.call, self.reverse).__await__()


class Saga:
    """Ask for it in `__init__`, and use it in methods marked @saga: they survive crashes, and undo what they did when
    they fail. Between its steps a saga is pure: ids come from `id`, time from `now`, all else from steps."""

    def step(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> Step[T]:
        """One call, journaled. Raises the faults of the method, and CallError when it could not be completed."""
        return Step(running(), Bound.of(call, args, kwargs))

    def id(self, kind: str) -> str:
        """A new id such as "order-4f…", the same in a replay."""
        return running().new_id(kind)

    async def now(self) -> datetime:
        """The time at which the saga first came here, in UTC."""
        return await running().now()


def running() -> Running:
    """The saga in progress."""
    run: Running | None = CONTEXT.get().run
    if run is None:
        raise Misuse("saga.step, saga.id and saga.now work only in a method marked @saga, not inside its steps.")
    return run

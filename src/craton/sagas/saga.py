"""`Saga`: what an implementation's saga methods write their steps with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

import msgspec

from craton.calls.context import CONTEXT
from craton.calls.endpoint import Endpoint, check_open, endpoint_of
from craton.errors import Misuse
from craton.task import Task
from craton.values import Event

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
E = TypeVar("E", bound=Event)


class Running(Protocol):
    """One saga in progress."""

    @property
    def version(self) -> int:
        """The version of the code that the saga began with."""
        ...

    def job(self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        """A job of a task of the saga's module."""
        ...

    async def perform(self, call: Bound, undo: Bound | None) -> Any:
        """Carry out the next step, or give the journal's answer."""
        ...

    async def perform_all(self, steps: Sequence[tuple[Bound, Bound | None]]) -> tuple[Any, ...]:
        """Carry out the next steps side by side."""
        ...

    async def now(self) -> datetime:
        """The time, the same in a replay."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Go on after so many seconds."""
        ...

    async def event(self, kind: type[Event], key: str, within: float) -> Event | None:
        """The next event of a type and key."""
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
        check_open(endpoint)
        if endpoint.method.streams:
            raise Misuse(f"{endpoint.name} streams, and a step is journaled: ask a query that returns a tuple.")
        return cls(endpoint, endpoint.method.bind(args, kwargs))


class Step(Generic[T]):
    """One step, carried out when it is awaited: `await saga.step(reserve, order, lines).undo(release, order)`."""

    def __init__(self, run: Running, call: Bound) -> None:
        self.run, self.call = run, call
        self.reverse: Bound | None = None

    def undo(self, call: Callable[Q, Awaitable[object]], *args: Q.args, **kwargs: Q.kwargs) -> Step[T]:
        """What takes the step back, should the saga fail later. It binds its arguments now, so that a step whose
        outcome is unknown can be undone, too."""
        if isinstance(call, Task):
            raise Misuse(f"the task {call.name} cannot undo a step: write a command or an effect that does.")
        self.reverse = Bound.of(call, args, kwargs)
        return self

    def __await__(self) -> Generator[Any, None, T]:
        return self.run.perform(self.call, self.reverse).__await__()


class Saga:
    """Ask for it in `__init__`, and use it in methods marked @saga: they survive crashes, and undo what they did when
    they fail. Between its steps a saga is pure: ids come from `id`, time from `now`, all else from steps."""

    @property
    def version(self) -> int:
        """The version, `@saga(version=...)`, of the code that this saga began with: `if self.saga.version < 2` takes
        the path that it took then."""
        return running().version

    def step(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> Step[T]:
        """One call, journaled. Raises the faults of the method, and CallError when it could not be completed.

        Of a task, `saga.step(encode, chunk)`: one job, whose end the saga waits for, as long as that takes. What undoes
        it is called however the job ended, since nothing takes back what a worker has begun.
        """
        run = running()
        return Step(run, run.job(call, args, kwargs) if isinstance(call, Task) else Bound.of(call, args, kwargs))

    @overload
    async def gather(self, first: Step[T1], second: Step[T2], /) -> tuple[T1, T2]: ...
    @overload
    async def gather(self, first: Step[T1], second: Step[T2], third: Step[T3], /) -> tuple[T1, T2, T3]: ...
    @overload
    async def gather(self, *steps: Step[T]) -> tuple[T, ...]: ...
    async def gather(self, *steps: Step[Any]) -> tuple[Any, ...]:
        """Several steps, side by side where they are elsewhere; their results, in order.

        Each comes to its end, also where another one fails; then the first error, in the order of the steps, is raised.
        Jobs are cancelled where another step fails.
        `await saga.gather(*[saga.step(ship, line) for line in lines])`.
        """
        return await running().perform_all([(step.call, step.reverse) for step in steps])

    def id(self, kind: str) -> str:
        """A new id such as "order-4f…", the same in a replay."""
        return running().new_id(kind)

    async def now(self) -> datetime:
        """The time at which the saga first came here, in UTC."""
        return await running().now()

    async def sleep(self, length: timedelta | float) -> None:
        """Go on after this time, in seconds where it is a number, whatever is restarted meanwhile. Long sleeps, of
        weeks too, cost a row in the database, and nothing else."""
        await running().sleep(seconds_of(length))

    async def event(self, kind: type[E], *, key: object = "", within: timedelta | float) -> E | None:
        """The first event of this type, and with this key, that arrives after the saga began, and that it has not been
        given yet; None where none comes within the time. The contract declares it: `@saga(awaits=OrderShipped)`."""
        return await running().event(kind, str(key), seconds_of(within))  # type: ignore[return-value]  # it is of `kind`


def seconds_of(length: timedelta | float) -> float:
    """A length of time in seconds."""
    return length.total_seconds() if isinstance(length, timedelta) else float(length)


def running() -> Running:
    """The saga in progress."""
    run: Running | None = CONTEXT.get().run
    if run is None:
        raise Misuse("saga.step and its like work only in a method marked @saga, not inside its steps.")
    return run

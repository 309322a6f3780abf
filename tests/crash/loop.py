"""An event loop for simulated crashes: time is virtual, no threads run, and nothing of the dead goes on."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from tests.crash.points import OWNER

START = 1000.0
LIFE = 2000.0
"""Virtual seconds after which a run must have ended."""


class Deadlock(Exception):
    """The run will not end."""


class Leap(selectors.SelectSelector):
    """Instead of waiting, it moves the loop's clock on to the next timer."""

    loop: CrashLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return at once."""
        if timeout is None:
            raise Deadlock("nothing is ready, and nothing ever will be")
        self.loop.clock += max(0.0, timeout)
        if self.loop.clock > START + LIFE:
            raise Deadlock(f"after {LIFE:g} virtual seconds it has not ended")
        return super().select(0)


class CrashLoop(asyncio.SelectorEventLoop):
    """The same program takes the same way on it each time."""

    def __init__(self) -> None:
        self.clock = START
        leap = Leap()
        leap.loop = self
        super().__init__(leap)
        self.turns = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.errors: list[BaseException] = []
        self.set_task_factory(self.make_task)
        self.set_exception_handler(self.note_error)

    def time(self) -> float:
        """Virtual seconds."""
        return self.clock

    def make_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """A task that is remembered, so that it can be buried."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **options)
        self.tasks.append(task)
        return task

    def note_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What broke in a callback, or in a task that nobody waited for."""
        error = context.get("exception") or RuntimeError(context["message"])
        if not isinstance(error, Killed):
            self.errors.append(error)

    def call_soon(  # type: ignore[override]  # typeshed's signatures are generic; what is passed on is the same
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """For a service that lives when the time has come."""
        context = copy_context() if context is None else context  # an empty one is false
        return super().call_soon(self.if_alive(callback, context), *args, context=context)

    def call_soon_threadsafe(  # type: ignore[override]  # as above
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """The same: there are no threads."""
        return self.call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """For a service that lives when the time has come."""
        context = copy_context() if context is None else context  # an empty one is false
        return super().call_at(when, self.if_alive(callback, context), *args, context=context)

    def if_alive(self, callback: Callable[..., Any], context: Context) -> Callable[..., Any]:
        """The callback, unless its service has died by then."""
        owner = context.get(OWNER)
        if owner is None:
            return callback

        def run(*args: Any) -> None:
            if owner.alive:
                self.turns += 1
                callback(*args)

        return run

    def run_in_executor(  # type: ignore[override]  # as above
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """The function's result, in a moment."""
        future = self.create_future()
        self.call_soon(run_into, future, func, *args)
        return future


class Inline:
    """Stands in for an executor of one thread: what it is given runs on the loop, after what is ready."""

    def submit(self, function: Callable[..., Any], *args: Any) -> None:
        """Run it soon."""
        asyncio.get_running_loop().call_soon(function, *args)

    def shutdown(self, wait: bool = True) -> None:
        """Nothing is held."""


class Killed(BaseException):
    """Ends the code of a dead service: it is never caught, except where the dead are buried."""


def run_into(future: asyncio.Future[Any], function: Callable[..., Any], *args: Any) -> None:
    """Give a future the result of a function."""
    if future.done():
        return
    try:
        future.set_result(function(*args))
    except Exception as error:
        future.set_exception(error)

"""A store that is recorded: its statements with their texts and times, its commits, and what waited for a connection.

Nothing in the store knows of it: its methods, and those of its units, are wrapped on the instance.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from craton.data.store import Store, Unit
from craton.lab.recording.running import RUNNING, STATEMENT, Statement

if TYPE_CHECKING:
    from craton.lab.recording.recorder import Recorder

LEAST = 0.0005
"""Seconds. Who does not have to wait goes on in less."""
TRACE = "craton_recorded"
Ran = Callable[[str, float], None]
"""Takes the text of a statement, and its seconds."""


class RecordedStore:
    """What is wrapped of one store."""

    def __init__(self, store: Store, recorder: Recorder) -> None:
        self.store, self.recorder = store, recorder
        self.make: Callable[..., Unit] = store.unit
        recorder.wrap(store, "unit", self.unit)
        recorder.wrap(store, "read", self.read(store.read))
        recorder.wrap(store, "admit_read", noted(store.admit_read))  # type: ignore[attr-defined]  # both stores have it
        self.wrap_waits()

    def wrap_waits(self) -> None:
        """Where one waits until there is a connection."""
        store: Any = self.store
        if hasattr(store, "writer"):
            self.wait_at(store.writer, "take", lambda: "writer")
            return
        gate = store.gate
        self.wait_at(gate, "enter", lambda: "connection" if gate.room >= gate.most else "conflict")
        for connections in (store.readers, store.writers):
            self.wait_at(connections.slots, "acquire", lambda: "connection")

    def wait_at(self, place: Any, name: str, kind: Callable[[], str]) -> None:
        """Time who waits there."""
        original = getattr(place, name)

        async def waited(*args: Any, **kwargs: Any) -> Any:
            why, began = kind(), time.perf_counter()
            try:
                return await original(*args, **kwargs)
            finally:
                self.waited(why, time.perf_counter() - began)

        self.recorder.wrap(place, name, waited)

    def waited(self, kind: str, seconds: float) -> None:
        """Count it; it is no part of the statement's own time."""
        statement, run = STATEMENT.get(), RUNNING.get()
        if statement is not None:
            statement.waited += seconds
        if seconds >= LEAST:
            self.recorder.waited(run.method if run else "", kind, seconds)

    def read(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """A query outside any unit."""

        async def read(module: str, statement: Any, parameters: Any = None) -> Any:
            def ran(text: str, seconds: float) -> None:
                self.recorder.ran(owner_of(module), module, text, seconds)

            return await timed(lambda: original(module, statement, parameters), ran)

        return read

    def unit(self, module: str, **how: Any) -> Unit:
        """A unit that is recorded."""
        made = self.make(module, **how)
        RecordedUnit(made, self.recorder)
        return made


class RecordedUnit:
    """What is wrapped of one unit. What happens in it while no method runs belongs to the one that ran in it: the
    framework begins and ends it."""

    def __init__(self, unit: Unit, recorder: Recorder) -> None:
        self.unit, self.recorder = unit, recorder
        self.own, self.method, self.wrote = vars(unit), "", False
        self.events = Counter[tuple[str, str]]()
        self.unclaimed: list[tuple[str, str, float]] = []
        self.admit = self.own["admit"] = self.seen(noted(unit.admit))  # type: ignore[attr-defined]  # both have it
        for name in ("execute", "later"):
            self.own[name] = self.executing(getattr(unit, name))
        for name in ("commit", "rollback"):
            self.own[name] = self.ending(getattr(unit, name), commits=name == "commit")
        self.own[TRACE] = self

    def seen(self, admit: Callable[[str, str], None]) -> Callable[[str, str], None]:
        """Note whether it has written; the unit itself may forget that."""

        def admitted(module: str, sql: str) -> None:
            admit(module, sql)
            self.wrote = self.wrote or self.unit.wrote

        return admitted

    def executing(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """A statement of the unit."""

        async def execute(module: str, statement: Any, parameters: Any = None) -> Any:
            return await timed(
                lambda: original(module, statement, parameters), lambda text, seconds: self.ran(module, text, seconds)
            )

        return execute

    def ran(self, module: str, text: str, seconds: float) -> None:
        """Count a statement; one that nobody has claimed, at the end."""
        if RUNNING.get() is None:
            self.unclaimed.append((module, text, seconds))
        else:
            self.recorder.ran(owner_of(module), module, text, seconds)

    def ending(self, original: Callable[[], Awaitable[None]], *, commits: bool) -> Callable[[], Awaitable[None]]:
        """COMMIT or ROLLBACK."""

        async def end() -> None:
            try:
                await original()
                if commits and self.wrote:
                    self.recorder.committed(self.owner(), self.events)
            finally:
                self.settle()

        return end

    def owner(self) -> str:
        """Who is to be named: the method that runs, or ran in it."""
        run = RUNNING.get()
        return run.method if run else self.method or self.unit.module

    def settle(self) -> None:
        """Give away what nobody has claimed."""
        unclaimed, self.unclaimed = self.unclaimed, []
        for module, text, seconds in unclaimed:
            self.recorder.ran(self.method or module, module, text, seconds)


def owner_of(module: str) -> str:
    """The method that runs; the module alone, where none does, or only one of another module."""
    run = RUNNING.get()
    return run.method if run and run.module == module else module


def noted(admit: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """See the text of the statement in progress, once it has been let pass."""

    def admitted(module: str, sql: str) -> None:
        admit(module, sql)
        statement = STATEMENT.get()
        if statement is not None:
            statement.text = sql

    return admitted


async def timed(work: Callable[[], Awaitable[Any]], ran: Ran) -> Any:
    """Run a statement, and tell what it was. One that runs as a part of another is that one."""
    if STATEMENT.get() is not None:
        return await work()
    statement, began = Statement(), time.perf_counter()
    token = STATEMENT.set(statement)
    try:
        return await work()
    finally:
        STATEMENT.reset(token)
        if statement.text:
            ran(statement.text, time.perf_counter() - began - statement.waited)

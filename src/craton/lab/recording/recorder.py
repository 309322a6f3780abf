"""The recorder: what methods ask of each other and of their databases, counted while an application runs.

It is for `craton run --record`, `craton diff` and `craton compare`. It wraps methods on instances as they are made, and
unwraps them when it is closed. Where nothing is recorded nothing is wrapped, so that it costs nothing.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from craton.calls.context import CONTEXT
from craton.calls.endpoint import Ask
from craton.calls.link import Link
from craton.contract import methods_of
from craton.data.store import Store
from craton.errors import SettingsError
from craton.lab.recording.figures import Figures, Repeated, Sent, Spent
from craton.lab.recording.links import RecordedLink
from craton.lab.recording.running import MANY, RUNNING, Run
from craton.lab.recording.stores import TRACE, RecordedStore
from craton.messages.events import Events

INTERVAL = 0.2
"""Seconds after which what was counted is in the file."""
VALUE = re.compile(r'\$\d+(?:::\w+)?(?: COLLATE "\w+")?|\?')
LISTS = re.compile(r"\(\*(?:, \*)*\)(?:, \(\*(?:, \*)*\))*")


class Recorder:
    """Counts in one process, and adds what it counted to a file: a line of JSON for each method. Several processes may
    add to one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: dict[str, Figures] = {}
        self.keys: dict[str, str] = {}
        self.watched: list[tuple[dict[str, Any], str, Any]] = []
        self.timer: asyncio.TimerHandle | None = None
        self.append(b"")  # what cannot be written is told at the start

    # ------------------------------------------------------------------ wrapping

    def wrap(self, target: object, name: str, wrapped: Any) -> None:
        """Put something in place of a method of one object, until it is closed."""
        vars(target)[name] = wrapped
        self.watched.append((vars(target), name, wrapped))
        self.begin()

    def watch(self, module: str, instance: object) -> None:
        """Wrap the methods of an implementation, before anybody else has seen them."""
        kind: type = type(instance)
        for name, method in methods_of(kind).items():
            if not method.streams:
                self.wrap(instance, name, self.observed(f"{module}.{name}", getattr(instance, name)))

    def watch_store(self, store: Store) -> None:
        """Wrap a store, and whatever units it makes."""
        RecordedStore(store, self)

    def watch_events(self, events: Events) -> None:
        """Wrap what a module publishes with."""
        original = events.store_event

        async def store_event(unit: Any, event: Any, place: int | None = None) -> None:
            await original(unit, event, place)
            vars(unit)[TRACE].events[events.module, type(event).__name__] += 1

        self.wrap(events, "store_event", store_event)

    def over(self, link: Link) -> Link:
        """A link that counts what is sent."""
        return RecordedLink(link, self)

    def around(self, name: str, ask: Ask) -> Ask:
        """What carries out a method, with all that the framework does for it."""

        async def asked(arguments: msgspec.Struct, *, key: str | None = None, undoes: str | None = None) -> Any:
            with self.running(name):
                return await ask(arguments, key=key, undoes=undoes)

        return asked

    def site(self, module: str, app: ASGIApp) -> ASGIApp:
        """The pages of a module: a request is a run."""
        self.begin()  # they may be all that is here

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            with self.running(module, lambda: route_of(scope)):
                try:
                    await app(scope, receive, send)
                finally:
                    self.of(module).runs += 1

        return answer

    def observed(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method that counts its runs, and who asked for them."""

        @functools.wraps(original)
        async def run(*args: Any, **kwargs: Any) -> Any:
            unit = CONTEXT.get().unit
            if unit is not None and unit.module == name.partition(".")[0] and TRACE in vars(unit):
                vars(unit)[TRACE].method = name
            with self.running(name):
                try:
                    return await original(*args, **kwargs)
                finally:
                    self.of(name).runs += 1

        run.__self__ = original.__self__  # type: ignore[attr-defined]  # as a bound method has, for steps of sagas
        return run

    @contextmanager
    def running(self, method: str, told_as: Callable[[], str] = str) -> Iterator[None]:
        """One run of a method. `told_as`: what is added to its name, once that is known, where it did things often."""
        asking = RUNNING.get()
        run = Run(method, asking)
        if asking is not None and asking.module != run.module:
            count(self.of(asking.method).calls, method)
        token = RUNNING.set(run)
        try:
            yield
        finally:
            RUNNING.reset(token)
            self.ended(run, told_as)

    # ------------------------------------------------------------------ counting

    def of(self, method: str) -> Figures:
        """The figures of a method."""
        found = self.found.get(method)
        if found is None:
            found = self.found[method] = Figures(method, 0, {})
        return found

    def sent(self, asking: Run | str | None, method: str, size: int) -> None:
        """Something was asked over a link; what is asked from outside does not count."""
        if asking is None:
            return
        if isinstance(asking, Run):
            asking.sent["", method] += 1
        figures = self.of(asking.method if isinstance(asking, Run) else asking)
        count(figures.calls, method)
        figures.remote.setdefault(method, Sent()).add(1, size)

    def ran(self, method: str, module: str, text: str, seconds: float) -> None:
        """A statement has run, in the database of a module."""
        key = self.key_of(method, text)
        self.of(method).statements.setdefault(key, Spent()).add(1, seconds, seconds)
        run = RUNNING.get()
        if run is not None:
            run.seen["", key] += 1

    def committed(self, method: str, events: Counter[tuple[str, str]]) -> None:
        """A transaction that wrote is durable, and so are its events."""
        self.of(method).commits += 1
        for (module, kind), number in events.items():
            figures = self.of(method if method.partition(".")[0] == module else module)
            count(figures.events, kind, number)

    def waited(self, method: str, kind: str, seconds: float) -> None:
        """A method could not go on for a while."""
        self.of(method).waits.setdefault(kind, Spent()).add(1, seconds, seconds)

    def ended(self, run: Run, told_as: Callable[[], str]) -> None:
        """A run is over: tell what it did many times."""
        for what, name in ((run.seen, "repeats"), (run.sent, "loops")):
            for (_, key), number in what.items():
                if number >= MANY:
                    repeated = getattr(self.of(run.method + told_as()), name)
                    repeated.setdefault(key, Repeated()).add(1, number, number)
        run.end()

    def key_of(self, method: str, text: str) -> str:
        """The key of a statement: the same in each process, and however many values it lists. Its text is told with it
        the first time."""
        key = self.keys.get(text)
        if key is None:
            key = self.keys[text] = blake2b(shape_of(text).encode(), digest_size=6).hexdigest()
            self.of(method).texts[key] = text
        return key

    # ------------------------------------------------------------------ writing

    def begin(self) -> None:
        """Write from time to time, from now on."""
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(INTERVAL, self.tick)

    def tick(self) -> None:
        """Write, and again later."""
        self.timer = None
        self.flush()
        self.begin()

    def flush(self) -> None:
        """Add to the file what was counted since the last time."""
        found, self.found = self.found, {}
        self.append(b"".join(msgspec.json.encode(figures) + b"\n" for figures in found.values()))

    def append(self, lines: bytes) -> None:
        """Add whole lines at once, which several processes may do."""
        try:
            file = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(file, lines)
            finally:
                os.close(file)
        except OSError as error:
            raise SettingsError(f"CRATON_RECORD: {self.file} cannot be written ({error.strerror}).") from error

    def close(self) -> None:
        """Unwrap what was wrapped, and write down what was counted."""
        for attributes, name, wrapped in self.watched:
            if attributes.get(name) is wrapped:
                del attributes[name]
        self.watched.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.flush()


def shape_of(text: str) -> str:
    """A statement without the numbers of its values: "... IN (*)"."""
    return LISTS.sub("(*)", VALUE.sub("*", text))


def count(counted: dict[str, int], name: str, number: int = 1) -> None:
    """Count one more."""
    counted[name] = counted.get(name, 0) + number


def route_of(scope: Scope) -> str:
    """Which page it was: ".GET /product/{sku}"."""
    path = scope["path"]
    for name, value in scope.get("path_params", {}).items():
        path = path.replace(f"/{value}", f"/{{{name}}}", 1)
    return f".{scope.get('method', scope['type'])} {path}"

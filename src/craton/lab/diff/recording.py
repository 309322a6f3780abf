"""Recorded traffic: how often each method asks methods of other modules, counted while an application runs.

It is for `craton diff`. Where nothing is recorded nothing is wrapped, so that it costs nothing.
"""

from __future__ import annotations

import functools
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import aclosing
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from craton.calls.link import Link, Replies, Reply, Request
from craton.contract import methods_of
from craton.errors import SettingsError

RUNNING: ContextVar[str] = ContextVar("craton-recorded", default="")
"""The method that runs now, such as "orders.quote"; it exists only for what is recorded."""
GIVE = "give what `craton run --record FILE` wrote"


class Recorder:
    """Counts in one process, and adds what it counted to a file: a line of JSON for each method that ran."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)
        self.runs, self.calls = Counter[str](), defaultdict[str, Counter[str]](Counter)
        self.watched: list[tuple[dict[str, Any], str, Any]] = []
        self.append("")  # what cannot be written is told at the start

    def watch(self, module: str, instance: object) -> None:
        """Wrap the methods of an implementation, before anybody else has seen them."""
        kind: type = type(instance)
        for name, method in methods_of(kind).items():
            if not method.streams:
                wrapped = vars(instance)[name] = self.observed(f"{module}.{name}", getattr(instance, name))
                self.watched.append((vars(instance), name, wrapped))

    def observed(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """A method that counts its runs, and who asked for them."""

        @functools.wraps(original)
        async def run(*args: Any, **kwargs: Any) -> Any:
            self.asked(name)
            self.runs[name] += 1
            token = RUNNING.set(name)
            try:
                return await original(*args, **kwargs)
            finally:
                RUNNING.reset(token)

        run.__self__ = original.__self__  # type: ignore[attr-defined]  # as a bound method has, for steps of sagas
        return run

    def asked(self, name: str) -> None:
        """Count a call, where one module asks another."""
        asking = RUNNING.get()
        if asking and asking.partition(".")[0] != name.partition(".")[0]:
            self.calls[asking][name] += 1

    def over(self, link: Link) -> Link:
        """A link that counts what is sent."""
        return RecordedLink(link, self)

    def close(self) -> None:
        """Unwrap what was wrapped, and write down what was counted."""
        for attributes, name, wrapped in self.watched:
            if attributes.get(name) is wrapped:
                del attributes[name]
        lines = ({"method": name, "runs": runs, "calls": self.calls[name]} for name, runs in self.runs.items())
        self.append("".join(f"{json.dumps(line)}\n" for line in lines))
        self.runs.clear()
        self.calls.clear()

    def append(self, text: str) -> None:
        """Add to the file, which several processes may do."""
        try:
            with self.file.open("a") as file:
                file.write(text)
        except OSError as error:
            raise SettingsError(f"CRATON_RECORD: {self.file} cannot be written ({error.strerror}).") from error


class RecordedLink:
    """A link that counts what the methods of this process ask of others."""

    def __init__(self, link: Link, recorder: Recorder) -> None:
        self.link, self.recorder = link, recorder

    async def send(self, request: Request) -> Reply:
        """Count it, and send it. What it leads to elsewhere is counted there, even if that is in this process."""
        self.recorder.asked(request.method)
        token = RUNNING.set("")
        try:
            return await self.link.send(request)
        finally:
            RUNNING.reset(token)

    async def stream(self, request: Request) -> Replies:
        """Count it, and send it; each step of it leads elsewhere, too."""
        self.recorder.asked(request.method)
        async with aclosing(self.link.stream(request)) as replies:
            while (reply := await apart(replies)) is not None:
                yield reply

    async def close(self) -> None:
        """Release what it holds."""
        await self.link.close()


async def apart(replies: Replies) -> Reply | None:
    """The next step of a stream, counted elsewhere; None after the last."""
    token = RUNNING.set("")
    try:
        return await anext(replies, None)
    finally:
        RUNNING.reset(token)


def traffic(file: str) -> dict[tuple[str, str], float]:
    """How often each method asks another each time it runs, over all that was recorded in a file."""
    runs, calls = Counter[str](), Counter[tuple[str, str]]()
    try:
        for line in Path(file).read_text().splitlines():
            found = json.loads(line)
            runs[found["method"]] += found["runs"]
            calls.update({(found["method"], asked): number for asked, number in found["calls"].items()})
    except OSError as error:
        raise SettingsError(f"{file} cannot be read ({error.strerror}): {GIVE}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{file} is no recorded traffic: {GIVE}.") from error
    return {pair: number / runs[pair[0]] for pair, number in calls.items() if runs[pair[0]]}

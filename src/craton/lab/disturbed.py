"""`python -m craton.lab.disturbed`: one service, as `craton serve` runs it, that can be told to be in trouble.

SIGUSR1 has it answer every call of others, and every request that it serves itself, half a second later; SIGUSR2 has it
answer them by a failure; SIGWINCH has it be well again. Calls between its own modules are as ever, and so is what it
says of its health. While it is well nothing is wrapped: it runs as it does without all this. Having obeyed, it writes
the signal's name into a file that is named by its process id, in the folder that CRATON_DISTURBED names.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from craton.calls.endpoint import Endpoint
from craton.errors import Failed
from craton.run import serve
from craton.run.environment import Environment
from craton.run.process import Observer, Process

FOLDER = "CRATON_DISTURBED"
"""The environment variable that names the folder for answers to signals."""
DELAY = 0.5
"""Seconds by which it is slower."""
Before = Callable[[str], Awaitable[None]]
"""What happens before something is answered, by its name."""


async def slowly(name: str) -> None:
    """Let time go by."""
    await asyncio.sleep(DELAY)


async def not_at_all(name: str) -> None:
    """Fail."""
    raise Failed(name, "it was told to fail")


class Disturbed(Process):
    """A process that hears of its troubles by signals."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        told: Mapping[signal.Signals, Before | None] = {
            signal.SIGUSR1: slowly, signal.SIGUSR2: not_at_all, signal.SIGWINCH: None,
        }
        for number, before in told.items():
            asyncio.get_running_loop().add_signal_handler(number, self.obey, number, before)
        return self

    def obey(self, number: signal.Signals, before: Before | None) -> None:
        """Do what a signal says, and say so."""
        self.change(before)
        if folder := os.environ.get(FOLDER):
            Path(folder, str(os.getpid())).write_text(number.name)

    def change(self, before: Before | None) -> None:
        """Be in this trouble and no other; or in none."""
        vars(self).pop("call", None)
        self.handler.endpoints = self.endpoints
        for site in self.sites.values():
            while isinstance(site.app, TroubledSite):
                site.app = site.app.app
        if before is not None:
            self.disturb(before)

    def disturb(self, before: Before) -> None:
        """Stand before all that is asked from outside: by links, at routes, and of sites."""
        self.handler.endpoints = {name: troubled(endpoint, before) for name, endpoint in self.endpoints.items()}
        call = self.call

        async def troubled_call(name: str, arguments: msgspec.Struct, **ways: Any) -> Any:
            await before(name)
            return await call(name, arguments, **ways)

        vars(self)["call"] = troubled_call
        for path, site in self.sites.items():
            site.app = TroubledSite(site.app, path, before)


def troubled(endpoint: Endpoint, before: Before) -> Endpoint:
    """One that is asked by others."""

    async def ask(arguments: msgspec.Struct, *, key: str | None = None, undoes: str | None = None) -> Any:
        await before(endpoint.name)
        return await endpoint.ask(arguments, key=key, undoes=undoes)

    return replace(endpoint, ask=ask)


class TroubledSite:
    """An ASGI application, in trouble."""

    def __init__(self, app: ASGIApp, path: str, before: Before) -> None:
        self.app, self.path, self.before = app, path, before

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self.before(self.path)
        await self.app(scope, receive, send)


def observer_of(environment: Environment) -> Observer | None:
    """What notes the calls between modules, where they are to be noted."""
    if not environment.record:
        return None
    from craton.lab.recording.recorder import Recorder

    return Recorder(environment.record)


def main() -> None:
    """Serve, ready for trouble."""
    gc.disable()  # until it is ready, as `craton serve` does
    serve.Process = Disturbed  # type: ignore[attr-defined]  # what `craton serve` would open
    environment = Environment.parse(os.environ)
    serve.run(sys.argv[1], environment, observer=observer_of(environment))


if __name__ == "__main__":
    main()

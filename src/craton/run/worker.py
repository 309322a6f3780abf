"""One worker of a pool: what `craton worker` runs, by hand, under `craton run`, or in a container."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from craton.application import Application, find_application
from craton.errors import SettingsError
from craton.pools import Pool
from craton.run.environment import secret_of
from craton.run.folder import Folder, Whereabouts
from craton.run.loading import load_application
from craton.run.starting import event_loop, log_to_stderr
from craton.run.workers import WorkerEnvironment
from craton.tasks.door import token_of
from craton.tasks.doorbell import doorbell_at
from craton.tasks.handlers import Handler, handlers_of
from craton.tasks.sources import Source
from craton.tasks.worker import Worker

log = logging.getLogger("craton")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What `craton worker` was told. What is missing is found in the environment, or in the data folder of a running
    `craton run`."""

    package: str
    pool: str
    topology: str | None = None
    data: Path | None = None


def run(choice: Choice, environ: Mapping[str, str] = os.environ) -> None:
    """Work until SIGTERM or SIGINT; raises CratonError where that cannot be done as it was told."""
    application, environ = find_application(choice.package), completed(choice, environ)
    environment = WorkerEnvironment.parse(environ)
    log_to_stderr(choice.pool, choice.package)
    handlers = handlers_of(application.modules, environment.queues)
    if not handlers:
        raise SettingsError(f"no task of {application.name} in {', '.join(environment.queues)} has a Python handler.")
    with asyncio.Runner(loop_factory=event_loop()) as runner:
        runner.run(until_stopped(environment, handlers, environ))


def completed(choice: Choice, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, with what the pool, the secret and the data folder say where it says nothing itself."""
    folder = Folder.of(choice.package, choice.data)
    running = None if environ.get("CRATON_CONTROLLERS") else running_in(folder, choice)
    found = {**(running.workers if running else {}), **environ}
    name = choice.topology or environ.get("CRATON_TOPOLOGY") or (running.topology if running else "monolith")
    application, topology = load_application(choice.package, name)
    pool = topology.pool(choice.pool)
    refuse_other_language(application, pool)
    if "CRATON_WORKER_TOKEN" not in found and (secret := secret_in(environ, folder if running else None)):
        found["CRATON_WORKER_TOKEN"] = token_of(secret)
    own = {
        "CRATON_APPLICATION": application.name, "CRATON_QUEUES": ",".join(pool.queues), "CRATON_SLOTS": str(pool.slots),
        "CRATON_WORKER": f"{pool.name}-{socket.gethostname()[:40]}-{secrets.token_hex(2)}",
    }
    return own | found


def refuse_other_language(application: Application, pool: Pool) -> None:
    """Refuse a pool that is no Python."""
    if pool.command:
        raise SettingsError(
            f"pool {pool.name} of {application.name} is a program in another language: run its command yourself."
        )


def running_in(folder: Folder, choice: Choice) -> Whereabouts:
    """What runs on the data in a folder."""
    found = folder.whereabouts()
    if found is None:
        raise SettingsError(
            f"nothing runs on the data in {folder.path}: start it by `craton run {choice.package}`, name another "
            "folder by --data, or, for services elsewhere, set CRATON_CONTROLLERS and CRATON_WORKER_TOKEN."
        )
    if choice.topology not in (None, found.topology):
        raise SettingsError(f"the data in {folder.path} is of topology {found.topology}, not {choice.topology}.")
    return found


def secret_in(environ: Mapping[str, str], folder: Folder | None) -> bytes | None:
    """The services' secret, where it is known."""
    if text := environ.get("CRATON_SECRET"):
        return secret_of(text)
    return folder.secret() if folder else None


async def until_stopped(
    environment: WorkerEnvironment, handlers: Mapping[str, Handler], environ: Mapping[str, str],
) -> None:
    """Work until a signal comes: the first one lets jobs end, for a while; the second one stops at once."""
    main = asyncio.current_task()
    assert main
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, main.cancel)
    try:
        async with AsyncExitStack() as stack:
            worker = await open_worker(environment, handlers, environ, stack)
            await stack.enter_async_context(answering(environment.ready))
            log.info("ready: %s slots for %s", environment.slots, ", ".join(environment.queues))
            await worker.run()
    except asyncio.CancelledError:
        log.info("stopped")


async def open_worker(
    environment: WorkerEnvironment, handlers: Mapping[str, Handler], environ: Mapping[str, str], stack: AsyncExitStack,
) -> Worker:
    """A worker, with the way to all controllers of its tasks."""
    doorbell = None
    if environment.broker:
        opened = doorbell_at(environment.broker, application=environment.application)
        doorbell = await stack.enter_async_context(opened)
    return Worker(
        environment.worker, handlers, await open_sources(environment, handlers, stack), queues=environment.queues,
        slots=environment.slots, environ=environ, doorbell=doorbell, grace=environment.worker_grace,
    )


async def open_sources(
    environment: WorkerEnvironment, handlers: Mapping[str, Handler], stack: AsyncExitStack,
) -> list[Source]:
    """The controllers of the modules whose tasks it does, by the addresses where they answer."""
    from craton.tasks.client import RemoteControl

    behind: dict[tuple[str, ...], list[str]] = {}
    for module in dict.fromkeys(handler.module for handler in handlers.values()):
        if module not in environment.controllers:
            raise SettingsError(f"CRATON_CONTROLLERS does not say where {module} answers: add {module}=http://...")
        behind.setdefault(environment.controllers[module], []).append(module)
    return [
        Source(await stack.enter_async_context(RemoteControl(addresses, environment.token)), tuple(modules))
        for addresses, modules in behind.items()
    ]


@asynccontextmanager
async def answering(ready: str | None) -> AsyncIterator[None]:
    """Take connections at a Unix socket, so that who has started this process knows that it works."""
    if not ready:
        yield
        return
    async with await asyncio.start_unix_server(lambda reader, writer: writer.close(), ready):
        yield


